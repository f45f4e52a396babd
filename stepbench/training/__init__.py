"""Data and recipes with which `stepbench train` calls the reference model's training code."""
