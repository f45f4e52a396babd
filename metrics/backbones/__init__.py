"""Networks behind metrics: clips and texts in, features out. Each reads its weights by name and checks their hash."""
