"""VideoVAE: clips to latents and back, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_model.config import VAEConfig
from reference_model.errors import ShapeError
from reference_model.vae.chunks import blend_borders
from reference_model.vae.decoder import Decoder
from reference_model.vae.encoder import Encoder
from reference_model.vae.lengths import FRAMES_PER_CHUNK, LATENT_FRAMES_PER_CHUNK, SPATIAL_FACTOR, latent_frames
from reference_model.vae.posterior import DiagonalGaussian, Generators, Latents

Clips = Float[Tensor, "batch time 3 height width"]


class VideoVAE(nn.Module):
    """The Video-VAE of Step-Video-T2V (arXiv 2502.10248, "Video-VAE"), version 2 of the release: 16x16x8 compression.

    Every 17 frames are encoded, and every 3 latent frames decoded, without a look at their neighbours; decoded borders
    are blended afterwards (`VAEConfig.border_blend`). Latents are neither shifted nor scaled. Parameter names and
    shapes are those of the released file.
    """

    def __init__(self, cfg: VAEConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.encoder = Encoder(cfg)
        self.decoder = Decoder(cfg)

    def encode(self, clips: Clips) -> DiagonalGaussian:
        """Distribution of the latents (b, f, z, h, w) of clips (b, t, 3, 16h, 16w) in [-1, 1].

        The clips may have any floating dtype and be on any device: each chunk goes to where the weights are.

        Raises:
            ShapeError: For sides that are not multiples of 16, a number of frames that has no latents, or whole numbers
                in place of colours from -1 to 1.
        """
        self._check_clips(clips)
        chunks = clips.split(FRAMES_PER_CHUNK, dim=1)
        weight = self.encoder.conv_in.conv.weight
        moments = [self.encoder(chunk.to(weight).transpose(1, 2)).transpose(1, 2) for chunk in chunks]
        return DiagonalGaussian.from_moments(torch.cat(moments, dim=1))

    def decode(self, latents: Latents) -> Clips:
        """Clips (b, t, 3, 16h, 16w) of latents (b, f, z, h, w), in about [-1, 1] but not clamped; borders blended."""
        return torch.cat(list(self.decode_chunks(latents)), dim=1)

    def decode_chunks(self, latents: Latents) -> Iterator[Clips]:
        """`decode` piece by piece, in order of time, usually 17 frames each.

        At most two decoded chunks are alive at any moment, so memory does not grow with the length of the clip. The
        latents may have any dtype and be on any device: each chunk goes to where the weights are.

        Raises:
            ShapeError: For latents of another layout or number of channels.
        """
        if latents.ndim != 5 or 0 in latents.shape or latents.shape[2] != self.cfg.z_channels:
            raise ShapeError(
                f"latents must have shape (batch, frames >= 1, {self.cfg.z_channels}, height, width), "
                f"got {tuple(latents.shape)}"
            )
        chunks = latents.split(LATENT_FRAMES_PER_CHUNK, dim=1)
        return blend_borders(self.decode_each(chunks), self.cfg.border_blend)

    def decode_each(self, chunks: Sequence[Latents]) -> Iterator[Clips]:
        """`decode_chunk` of all, in order: the part of decoding that parallelism replaces from outside."""
        return (self.decode_chunk(chunk) for chunk in chunks)

    def decode_chunk(self, latents: Latents) -> Clips:
        """Pixels of one chunk of at most 3 latent frames by itself, without blending: f frames become 8f - 7."""
        return self.decoder(latents.to(self.decoder.conv_out.weight).transpose(1, 2)).transpose(1, 2)

    def forward(self, clips: Clips, generator: Generators = None) -> tuple[Clips, DiagonalGaussian]:
        """Reconstruction from a sample of the posterior, and the posterior: what training needs of one step."""
        posterior = self.encode(clips)
        return self.decode(posterior.sample(generator)), posterior

    def _check_clips(self, clips: Tensor) -> None:
        if clips.ndim != 5 or clips.shape[2] != 3 or not len(clips):
            raise ShapeError(f"clips must have shape (batch, time, 3, height, width), got {tuple(clips.shape)}")
        if not clips.is_floating_point():
            raise ShapeError(
                f"clips must be floating-point numbers from -1 to 1, got {clips.dtype}",
                hint="pixels from 0 to 255 become clips by pixels / 127.5 - 1",
            )
        frames, _, height, width = clips.shape[1:]
        if height % SPATIAL_FACTOR or width % SPATIAL_FACTOR or not height or not width:
            raise ShapeError(
                f"height and width must be multiples of {SPATIAL_FACTOR}, got {height}x{width}",
                hint="crop or pad the clips",
            )
        if latent_frames(frames) is None:
            nearest = [n for n in range(frames - 1, 0, -1) if latent_frames(n)][:1]
            nearest += [n for n in range(frames + 1, frames + FRAMES_PER_CHUNK) if latent_frames(n)][:1]
            raise ShapeError(
                f"a clip of {frames} frames has no latents: the VAE works on chunks of {FRAMES_PER_CHUNK} frames",
                hint=f"the nearest lengths that work: {', '.join(map(str, nearest))}",
            )
