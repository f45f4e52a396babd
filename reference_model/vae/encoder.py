"""Encoder of the Video-VAE: pixels of one chunk to the moments of its latents."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.config import VAEConfig
from reference_model.vae.dual_path import Patchify, average_shortcut
from reference_model.vae.layers import CausalConv3d, Changed, Middle, PerFrameGroupNorm, ResBlock, Video
from reference_model.vae.resample import Downsample2d, Downsample3d


class Encoder(nn.Module):
    """Four levels of residual blocks, then a folding end with averaging shortcuts around both of its convolutions."""

    def __init__(self, cfg: VAEConfig) -> None:
        super().__init__()
        widths = cfg.encoder_widths
        resamplers = (Downsample2d(widths[0]), Downsample3d(widths[1]), Downsample3d(widths[2]), None)
        self.conv_in = CausalConv3d(3, cfg.enc_ch)
        self.down = nn.ModuleList(
            EncoderLevel(in_width, width, cfg, resampler)
            for in_width, width, resampler in zip((cfg.enc_ch, *widths), widths, resamplers, strict=False)
        )
        self.mid = Middle(widths[-1], cfg.groups)
        self.norm_out = PerFrameGroupNorm(cfg.groups, widths[-1])
        self.conv_patchify = Patchify(widths[-1], cfg.patch_width)
        self.conv_out = CausalConv3d(cfg.patch_width, 2 * cfg.z_channels)

    def forward(self, clip: Float[Tensor, "batch 3 time height width"]) -> Changed:
        """(b, 3, 17, 16h, 16w) -> mean and log-variance side by side, (b, 2z, 3, h, w)."""
        x = self.conv_in(clip)
        for level in self.down:
            x = level(x)
        x = self.conv_patchify(F.silu(self.norm_out(self.mid(x))))
        return self.conv_out(x) + average_shortcut(x, self.conv_out.conv.out_channels, 1)


class EncoderLevel(nn.Module):
    """Residual blocks at one resolution, then the step down to the next one."""

    def __init__(self, in_channels: int, channels: int, cfg: VAEConfig, downsample: nn.Module | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            ResBlock(channels if index else in_channels, channels, cfg.groups) for index in range(cfg.num_res_blocks)
        )
        self.downsample = downsample

    def forward(self, x: Video) -> Changed:
        """The last level keeps its resolution."""
        for block in self.block:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)
