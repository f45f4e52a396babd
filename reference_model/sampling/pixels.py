"""From the VAE's range of colours to the one that is stored."""

from __future__ import annotations

from jaxtyping import Float, UInt8
from torch import Tensor

from reference_model.config import Compat


def to_uint8(frames: Float[Tensor, "*shape"], compat: Compat = "upstream") -> UInt8[Tensor, "*shape"]:
    """[-1, 1] to 0 .. 255, clamped first; `upstream` truncates, as the released code does, and `precise` rounds."""
    scaled = (frames.float().clamp(-1, 1) + 1) * 127.5
    return (scaled if compat == "upstream" else scaled.round()).byte()
