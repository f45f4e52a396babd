"""How clips and latents measure up: frames per chunk, pixels per latent. Plain numbers, no torch."""

from __future__ import annotations

FRAMES_PER_CHUNK = 17
LATENT_FRAMES_PER_CHUNK = 3
SPATIAL_FACTOR = 16


def latent_frames(num_frames: int) -> int | None:
    """Latent frames of a clip, None if the VAE cannot encode a clip of that many frames.

    Every chunk of 17 yields 3. A shorter rest is halved twice, rounding up, and must then have an odd length.
    """
    full, rest = divmod(num_frames, FRAMES_PER_CHUNK)
    quarter = (rest + 3) // 4
    if num_frames < 1 or (rest and quarter % 2 == 0):
        return None
    return full * LATENT_FRAMES_PER_CHUNK + (quarter + 1) // 2


def pixel_frames(num_latent_frames: int) -> int:
    """Frames that latents decode to: 17 for every three, 9 for a rest of two, 1 for a rest of one."""
    full, rest = divmod(num_latent_frames, LATENT_FRAMES_PER_CHUNK)
    return full * FRAMES_PER_CHUNK + (8 * rest - 7 if rest else 0)
