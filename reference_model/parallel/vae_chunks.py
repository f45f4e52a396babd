"""Parallel decoding: chunks of latent frames know nothing of each other, so every process decodes another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch.distributed as dist
from torch import Tensor

from reference_model.vae.lengths import SPATIAL_FACTOR, pixel_frames
from reference_model.vae.model import VideoVAE


def split_decoding(vae: VideoVAE) -> None:
    """Lets all processes of the job decode in turns, in place: one chunk each, and every one gets all pixels in order.

    Borders are blended afterwards, as ever. All processes must take all chunks of a clip.

    Args:
        vae: Finished, with the same weights on all processes.
    """
    rank, processes = dist.get_rank(), dist.get_world_size()

    def decode_each(chunks: Sequence[Tensor]) -> Iterator[Tensor]:
        for start in range(0, len(chunks), processes):
            together = chunks[start : start + processes]
            mine = vae.decode_chunk(together[rank]).contiguous() if rank < len(together) else None
            for owner, chunk in enumerate(together):
                pixels = mine if owner == rank and mine is not None else _empty_pixels(vae, chunk)
                dist.broadcast(pixels, src=owner)
                if owner == rank:
                    # Whoever takes the chunk must be the last to hold it.
                    mine = None
                yield pixels
                del pixels

    if processes > 1:
        vae.decode_each = decode_each  # of this object, in front of the method of its class


def _empty_pixels(vae: VideoVAE, chunk: Tensor) -> Tensor:
    batch, frames, _, height, width = chunk.shape
    size = (batch, pixel_frames(frames), 3, height * SPATIAL_FACTOR, width * SPATIAL_FACTOR)
    return vae.decoder.conv_out.weight.new_empty(size)
