"""Sweeps: one run per setting, then quality against seconds, and which settings cannot be told apart."""
