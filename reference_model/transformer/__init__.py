"""The diffusion transformer: full attention over space and time, adaLN-single, 3D RoPE, cross-attention to text."""
