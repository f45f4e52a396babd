"""From votes to preference pairs that `stepbench train dpo` learns from."""
