"""Frames of long clips one chunk at a time, so that memory does not depend on their number."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import UInt8
from torch import Tensor

from reference_model.config import Compat
from reference_model.sampling.guidance import Latents
from reference_model.sampling.pipeline import VideoDecoder
from reference_model.sampling.pixels import to_uint8


def stream_frames(
    vae: VideoDecoder, latents: Latents, compat: Compat = "upstream"
) -> Iterator[UInt8[Tensor, "_time 3 height width"]]:
    """The frames of one clip on the CPU, usually 17 at a time, in order; blended at the borders like `decode`.

    While a chunk is decoded only the one before it is alive, so whoever writes each one to a file and lets go of it
    needs no more memory for an hour than for two seconds.

    Args:
        vae: Its decoder.
        latents: (1, f, z, h, w).
        compat: See `to_uint8`.

    Raises:
        ShapeError: For latents of another layout or number of channels.
    """
    chunks = vae.decode_chunks(latents)
    while True:
        # Not around the whole loop: what the caller does between two chunks keeps its own mode of gradients.
        with torch.no_grad():
            chunk = next(chunks, None)
            if chunk is None:
                return
            frames = to_uint8(chunk[0], compat).cpu()
        del chunk
        yield frames
        del frames
