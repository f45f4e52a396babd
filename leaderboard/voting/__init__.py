"""The voting pages: what an annotator sees and sends, and what an organiser looks after."""
