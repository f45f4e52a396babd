"""Is the ruler straight: what every metric does on clips that are wrong in a known way."""
