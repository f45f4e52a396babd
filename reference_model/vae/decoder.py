"""Decoder of the Video-VAE: latents of one chunk to its pixels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.config import VAEConfig
from reference_model.vae.dual_path import Unpatchify, duplicate_shortcut
from reference_model.vae.layers import (
    CausalConv3d,
    Changed,
    FrontPaddedConv3d,
    Middle,
    PerFrameGroupNorm,
    ResBlock,
    Video,
)
from reference_model.vae.resample import Upsample2d, Upsample3d

SURPLUS_FRAMES = 3
"""The two doublings of time yield this many frames too many in front."""


class Decoder(nn.Module):
    """An unfolding start with duplicating shortcuts around both of its convolutions, then four levels, lowest first."""

    def __init__(self, cfg: VAEConfig) -> None:
        super().__init__()
        widths = cfg.decoder_widths
        resamplers = (None, Upsample2d(widths[1]), Upsample3d(widths[2], cfg.groups), Upsample3d(widths[3], cfg.groups))
        self.conv_in = CausalConv3d(cfg.z_channels, cfg.patch_width)
        self.conv_unpatchify = Unpatchify(cfg.patch_width, widths[-1])
        self.mid = Middle(widths[-1], cfg.groups)
        self.up = nn.ModuleList(
            DecoderLevel(in_width, width, cfg, resampler)
            for in_width, width, resampler in zip((*widths[1:], widths[-1]), widths, resamplers, strict=True)
        )
        self.norm_out = PerFrameGroupNorm(cfg.groups, widths[0])
        self.conv_out = FrontPaddedConv3d(widths[0], 3)

    def forward(self, latents: Video) -> Float[Tensor, "batch 3 out_time out_height out_width"]:
        """(b, z, t, h, w) -> (b, 3, 8t - 7, 16h, 16w), not clamped."""
        x = self.conv_in(latents)
        x = self.conv_unpatchify(x + duplicate_shortcut(latents, x.shape[1], 1))
        x = self.mid(x)
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))[:, :, SURPLUS_FRAMES:]


class DecoderLevel(nn.Module):
    """Residual blocks at one resolution, one more than in the encoder, then the step up to the next one."""

    def __init__(self, in_channels: int, channels: int, cfg: VAEConfig, upsample: nn.Module | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            ResBlock(channels if index else in_channels, channels, cfg.groups)
            for index in range(cfg.num_res_blocks + 1)
        )
        self.upsample = upsample

    def forward(self, x: Video) -> Changed:
        """The highest level keeps its resolution."""
        for block in self.block:
            x = block(x)
        return x if self.upsample is None else self.upsample(x)
