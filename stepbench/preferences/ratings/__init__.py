"""What a study's votes say: ratings, head-to-head, means of 1 to 5 ratings, and how far annotators agree."""
