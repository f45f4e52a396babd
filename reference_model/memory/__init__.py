"""Less memory, applied to finished models from outside: offload, streamed decoding, FP8 weights, and an estimate."""
