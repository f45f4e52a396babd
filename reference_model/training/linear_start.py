"""Start of a small Video-VAE: close to a linear code of its data, so that training only has to improve on one.

A small network from a random start spends its first thousands of steps on learning to pass a picture through. This
start makes every residual branch silent, points the remaining linear path at the principal directions of some clips,
and fits the latents and the last convolution by least squares. Group norms with few channels would wipe out the
contrast of flat frames; one constant channel in front of each output norm keeps them nearly linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.errors import ConfigError
from reference_model.training.least_squares import principal_directions, ridge
from reference_model.vae.decoder import SURPLUS_FRAMES, Decoder, DecoderLevel
from reference_model.vae.dual_path import average_shortcut, duplicate_shortcut, space_to_channel
from reference_model.vae.encoder import EncoderLevel
from reference_model.vae.layers import CausalAttention, Changed, ResBlock, Video
from reference_model.vae.model import VideoVAE
from reference_model.vae.resample import Downsample2d, Downsample3d, Upsample2d, UpsampleResidual

Level = TypeVar("Level", EncoderLevel, DecoderLevel)

LOG_VARIANCE = -5.0
PILOT_STRENGTH = 2.0
"""Spread that the constant channel gives a frame, as a multiple of what the other channels give it."""


@torch.no_grad()
def linear_start(vae: VideoVAE, clips: Float[Tensor, "batch 17 3 height width"], generator: torch.Generator) -> None:
    """Sets all weights of `vae` in place.

    Args:
        vae: In float32.
        clips: Examples in [-1, 1]; a few dozen suffice.
        generator: Of the random weights inside the silent branches.

    Raises:
        ConfigError: The widths of `vae` do not fit into each other.
    """
    random_start(vae, generator)
    _silence_branches(vae)
    videos = clips.transpose(1, 2)
    trunk = _fit_encoder(vae, videos)
    _fit_decoder(vae, videos, trunk)


@torch.no_grad()
def random_start(vae: VideoVAE, generator: torch.Generator) -> None:
    """Sets all weights of `vae` in place: convolutions keep variances about as they are, norms change nothing."""
    for module in vae.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, fan_in**-0.5, generator=generator)
            nn.init.zeros_(bias_of(module))
        elif isinstance(module, nn.GroupNorm):
            module.reset_parameters()


def _silence_branches(vae: VideoVAE) -> None:
    for module in vae.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.conv2.conv.weight)
        elif isinstance(module, CausalAttention):
            nn.init.zeros_(module.proj_out.conv.weight)
        elif isinstance(module, UpsampleResidual):
            nn.init.zeros_(module.norm2.weight)
    nn.init.zeros_(vae.encoder.conv_patchify.conv.conv.weight)
    nn.init.zeros_(vae.decoder.conv_unpatchify.conv.conv.weight)


def _fit_encoder(vae: VideoVAE, videos: Video) -> Video:
    """Fits every linear layer on the way down; returns the features in front of the output norm."""
    encoder, levels = vae.encoder, _levels(vae.encoder.down, EncoderLevel)
    x = _fit_stride(encoder.conv_in.conv, videos)
    for level in levels:
        for block in _blocks(level):
            x = _fit_shortcut(block, x)
        if isinstance(level.downsample, Downsample2d):
            x = _fit_plane_stride(level.downsample, x)
        elif isinstance(level.downsample, Downsample3d):
            x = _fit_stride(level.downsample.conv.conv, x)
    _set_constant(_last_layer(levels), x)
    x = encoder.conv_in(videos)
    for level in levels:
        x = level(x)
    folded = encoder.conv_patchify(F.silu(encoder.norm_out(encoder.mid(x))))
    _fit_moments(vae, folded, _linear_codes(videos, vae.cfg.z_channels))
    return x


def _last_layer(levels: Sequence[EncoderLevel]) -> nn.Conv3d:
    """What makes the features in front of the output norm, as long as all branches are silent."""
    shortcut, above = _blocks(levels[-1])[0].nin_shortcut, levels[-2].downsample
    assert isinstance(above, Downsample3d)
    return above.conv.conv if shortcut is None else shortcut.conv


def _linear_codes(videos: Video, count: int) -> Video:
    """Principal components of 16x16x8 pixels, each of unit variance. The first frame is a code by itself: it stands
    still for eight frames, so that one linear map serves all frames of the latents."""
    first = videos[:, :, :1].repeat_interleave(8, dim=2)
    cells = torch.cat([first, videos[:, :, 1:]], dim=2)
    cells = cells.unflatten(4, (-1, 16)).unflatten(3, (-1, 16)).unflatten(2, (-1, 8))  # b c t dt y dy x dx
    cells = cells.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)
    directions, mean, spread = principal_directions(cells.flatten(0, 3), count)
    return ((cells - mean) @ directions / spread).movedim(-1, 1)


def _fit_moments(vae: VideoVAE, folded: Video, codes: Video) -> None:
    conv = vae.encoder.conv_out.conv
    weight, bias = ridge(_rows(folded), _rows(codes))
    channels = vae.cfg.z_channels
    # What the averaging shortcut adds is taken off again.
    average = matrix_of(lambda x: average_shortcut(x, 2 * channels, 1), folded.shape[1])
    nn.init.zeros_(conv.weight)
    conv.weight[:, :, -1, 1, 1] = -average
    conv.weight[:channels, :, -1, 1, 1] += weight.T
    bias_of(conv)[:channels] = bias
    bias_of(conv)[channels:] = LOG_VARIANCE


def _fit_decoder(vae: VideoVAE, videos: Video, trunk: Video) -> None:
    decoder = vae.decoder
    latents = vae.encode(videos.transpose(1, 2)).mean.transpose(1, 2)
    _fit_latent_input(vae, latents, trunk)
    x = decoder.conv_in(latents)
    x = decoder.mid(decoder.conv_unpatchify(x + duplicate_shortcut(latents, x.shape[1], 1)))
    levels = _levels(decoder.up, DecoderLevel)
    for level in reversed(levels):
        for block in _blocks(level):
            x = _fit_shortcut(block, x)
        if isinstance(level.upsample, Upsample2d):
            _centre_identity(level.upsample.conv)
        if level.upsample is not None:
            x = level.upsample(x)
    shortcut, above = _blocks(levels[0])[0].nin_shortcut, levels[1].upsample
    assert isinstance(above, Upsample2d)
    last = above.conv if shortcut is None else shortcut.conv
    _set_constant(last, x)
    x[:, -1] = bias_of(last)[-1]
    _fit_pixels(decoder, F.silu(decoder.norm_out(x)), videos)


def _fit_latent_input(vae: VideoVAE, latents: Video, trunk: Video) -> None:
    """Latents to the features that the encoder had at the same place, through the two duplicating shortcuts."""
    width = vae.decoder.mid.block_1.conv1.conv.in_channels
    target = trunk[:, :width] / trunk[:, : trunk.shape[1] - 1].std()
    target[:, -1] = 0
    folded = space_to_channel(target, 2)
    copies, rest = divmod(vae.cfg.patch_width, folded.shape[1])
    if rest:
        raise ConfigError(
            f"the linear start needs a patch width that is a multiple of {folded.shape[1]}, got {vae.cfg.patch_width}",
            hint="start from random weights: start_clips=0",
        )
    weight, bias = ridge(_rows(latents), _rows(folded))
    conv = vae.decoder.conv_in.conv
    duplicate = matrix_of(lambda x: duplicate_shortcut(x, conv.out_channels, 1), latents.shape[1])
    nn.init.zeros_(conv.weight)
    conv.weight[:, :, -1, 1, 1] = weight.T.repeat_interleave(copies, 0) - duplicate
    bias_of(conv).copy_(bias.repeat_interleave(copies))


def _fit_pixels(decoder: Decoder, features: Video, videos: Video) -> None:
    conv = decoder.conv_out
    rows, targets = [], []
    for feature, video in zip(features, videos, strict=True):
        windows = F.pad(feature, (1, 1, 1, 1, 2, 0)).unfold(1, 3, 1).unfold(2, 3, 1).unfold(3, 3, 1)
        windows = windows[:, SURPLUS_FRAMES:].permute(1, 2, 3, 0, 4, 5, 6).flatten(3).flatten(0, 2)
        # Neighbouring pixels say the same; one in five is plenty.
        rows.append(windows[::5])
        targets.append(video.movedim(0, -1).flatten(0, 2)[::5])
    weight, bias = ridge(torch.cat(rows), torch.cat(targets))
    conv.weight.copy_(weight.T.view_as(conv.weight))
    bias_of(conv).copy_(bias)


def _fit_stride(conv: nn.Conv3d, x: Video) -> Video:
    """Points a causal 3x3x3 convolution at the principal directions of its window, or of its own cell of 2x2x2."""
    stride = conv.stride[0]
    taps = slice(0, 3) if stride == 1 else slice(1, 3)
    windows = F.pad(x, (1, 1, 1, 1, 2, 0)).unfold(2, 3, stride).unfold(3, 3, stride).unfold(4, 3, stride)
    own = windows[..., taps, taps, taps]
    weight, bias = _projection(own.movedim(1, 4).flatten(0, 3).flatten(1), conv.out_channels)
    nn.init.zeros_(conv.weight)
    side = taps.stop - taps.start
    conv.weight[: len(weight), :, taps, taps, taps] = weight.view(len(weight), -1, side, side, side)
    bias_of(conv)[: len(weight)] = bias
    return conv(x)


def _fit_plane_stride(downsample: Downsample2d, x: Video) -> Video:
    conv = downsample.conv
    cells = x.unflatten(4, (-1, 2)).unflatten(3, (-1, 2))  # b c t y dy x dx
    cells = cells.permute(0, 2, 3, 5, 1, 4, 6).flatten(0, 3).flatten(1)
    weight, bias = _projection(cells, conv.out_channels)
    nn.init.zeros_(conv.weight)
    conv.weight[: len(weight), :, :2, :2] = weight.view(len(weight), -1, 2, 2)
    bias_of(conv)[: len(weight)] = bias
    return downsample(x)


def _fit_shortcut(block: ResBlock, x: Video) -> Video:
    if block.nin_shortcut is None:
        return x
    conv = block.nin_shortcut.conv
    if conv.out_channels < conv.in_channels:
        weight, bias = _projection(_rows(x), conv.out_channels)
        conv.weight.copy_(weight.view_as(conv.weight))
        bias_of(conv).copy_(bias)
    else:
        # The rest stays random: mixtures of the same channels.
        same = torch.eye(conv.in_channels, device=x.device)
        conv.weight[: conv.in_channels] = same.view(conv.in_channels, conv.in_channels, 1, 1, 1)
    return conv(x)


def _projection(rows: Float[Tensor, "rows in"], count: int) -> tuple[Float[Tensor, "out in"], Float[Tensor, " out"]]:
    """Onto the principal directions, all on one scale: the largest output has unit spread, the others less."""
    count = min(count, rows.shape[1])
    directions, mean, spread = principal_directions(rows, count)
    weight = directions.T / spread.square().mean().sqrt()
    return weight, -weight @ mean


def _set_constant(conv: nn.Conv2d | nn.Conv3d, features: Video) -> None:
    """Makes the last channel constant, large enough to outweigh the others in the norm that follows."""
    others = features[:, :-1]
    spread = others.square().mean().sqrt().item()
    nn.init.zeros_(conv.weight[-1])
    bias_of(conv)[-1] = PILOT_STRENGTH * spread * math.sqrt(features.shape[1])


def _centre_identity(conv: nn.Conv2d) -> None:
    nn.init.zeros_(conv.weight)
    conv.weight[:, :, 1, 1] = torch.eye(conv.out_channels, device=conv.weight.device)


def _levels(modules: nn.ModuleList, kind: type[Level]) -> list[Level]:
    return [module for module in modules if isinstance(module, kind)]


def _blocks(level: EncoderLevel | DecoderLevel) -> list[ResBlock]:
    return [block for block in level.block if isinstance(block, ResBlock)]


def bias_of(conv: nn.Conv2d | nn.Conv3d) -> Tensor:
    """The bias, which every convolution of the VAE has."""
    assert conv.bias is not None
    return conv.bias


def _rows(x: Video) -> Float[Tensor, "rows channels"]:
    return x.movedim(1, -1).flatten(0, 3)


def matrix_of(linear: Callable[[Video], Changed], in_channels: int) -> Float[Tensor, "out in"]:
    """The matrix of a linear map that works voxel by voxel."""
    unit = torch.eye(in_channels).view(in_channels, in_channels, 1, 1, 1)
    return linear(unit).flatten(1).T
