"""The autoencoder benchmark: how much of a clip survives a code of how many bits."""

from stepbench.reconstruct.benchmark import METRICS, reconstruct
from stepbench.reconstruct.crop import Crop, parse_crop
from stepbench.reconstruct.summary import summarize_reconstruction

__all__ = ["METRICS", "Crop", "parse_crop", "reconstruct", "summarize_reconstruction"]
