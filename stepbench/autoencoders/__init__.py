"""Autoencoders for `stepbench reconstruct`: clip to code to clip, with the size of the code."""

from stepbench.autoencoders.protocol import Autoencoder, Code, UnsuitableClipError
from stepbench.autoencoders.registry import autoencoder_families, make_autoencoder

__all__ = ["Autoencoder", "Code", "UnsuitableClipError", "autoencoder_families", "make_autoencoder"]
