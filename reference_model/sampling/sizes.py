"""Which sizes and lengths a clip can have, and the latents that they stand for."""

from __future__ import annotations

from reference_model.errors import ShapeError
from reference_model.vae.lengths import FRAMES_PER_CHUNK, SPATIAL_FACTOR, latent_frames


def latent_shape(
    num_frames: int, height: int, width: int, channels: int, *, patch_size: int = 1
) -> tuple[int, int, int, int]:
    """Shape (frames, channels, height, width) of the latents of one clip.

    A clip has 1 frame (an image) or a multiple of 17; sides are multiples of 16 times the transformer's patch size.

    Raises:
        ShapeError: For any other length or side, with the nearest valid ones. Nothing is rounded silently.
    """
    if num_frames != 1 and (num_frames < 1 or num_frames % FRAMES_PER_CHUNK):
        nearest = _neighbours(num_frames, FRAMES_PER_CHUNK, smallest=1)
        raise ShapeError(
            f"num_frames must be 1 or a multiple of {FRAMES_PER_CHUNK}, got {num_frames}", hint=f"use {nearest}"
        )
    unit = SPATIAL_FACTOR * patch_size
    for name, side in (("height", height), ("width", width)):
        if side < unit or side % unit:
            raise ShapeError(
                f"{name} must be a multiple of {unit}, got {side}", hint=f"use {_neighbours(side, unit, smallest=unit)}"
            )
    frames = latent_frames(num_frames)
    assert frames is not None  # every length that passed has latents
    return frames, channels, height // SPATIAL_FACTOR, width // SPATIAL_FACTOR


def _neighbours(value: int, unit: int, *, smallest: int) -> str:
    below = max(value // unit * unit, smallest)
    above = max(-(-value // unit) * unit, unit)
    return str(below) if below == above else f"{below} or {above}"
