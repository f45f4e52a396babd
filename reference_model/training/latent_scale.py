"""Latents on another scale, by a change of the VAE's weights that its reconstructions do not notice."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reference_model.errors import ShapeError
from reference_model.training.linear_start import bias_of, matrix_of
from reference_model.vae.dual_path import average_shortcut, duplicate_shortcut
from reference_model.vae.model import VideoVAE


@torch.no_grad()
def fold_latent_scale(vae: VideoVAE, std: Float[Tensor, " channels"]) -> None:
    """Divides every latent channel by its standard deviation, inside the weights of `vae`, in place.

    Afterwards latents whose channels had the spreads `std` have unit variance, and decode to the same pixels. What
    the parameter-free shortcuts around both convolutions contribute is rescaled by the convolution beside them, at
    the tap that sees the same voxel. The log-variances shift along; only their limits of -30 and 20 do not.

    Args:
        vae: Of any dtype and on any device.
        std: Positive, one per latent channel.

    Raises:
        ShapeError: If there is not one positive number per latent channel.
    """
    channels = vae.cfg.z_channels
    if std.shape != (channels,) or not bool((std.isfinite() & (std > 0)).all()):
        raise ShapeError(f"std must be {channels} positive numbers, got shape {tuple(std.shape)}: {std.tolist()}")
    std = std.detach().cpu().double()
    _divide_means(vae, std)
    _multiply_inputs(vae, std)


def _divide_means(vae: VideoVAE, std: Float[Tensor, " channels"]) -> None:
    conv, channels, scale = vae.encoder.conv_out.conv, vae.cfg.z_channels, 1 / std
    average = matrix_of(lambda x: average_shortcut(x, 2 * channels, 1), conv.in_channels)[:channels].double()
    weight, bias = conv.weight.cpu().double(), bias_of(conv).cpu().double()
    weight[:channels] *= scale.view(-1, 1, 1, 1, 1)
    weight[:channels, :, -1, 1, 1] += (scale[:, None] - 1) * average
    bias[:channels] *= scale
    bias[channels:] += 2 * scale.log()
    conv.weight.copy_(weight)
    bias_of(conv).copy_(bias)


def _multiply_inputs(vae: VideoVAE, std: Float[Tensor, " channels"]) -> None:
    conv = vae.decoder.conv_in.conv
    duplicate = matrix_of(lambda x: duplicate_shortcut(x, conv.out_channels, 1), conv.in_channels).double()
    weight = conv.weight.cpu().double() * std.view(1, -1, 1, 1, 1)
    weight[:, :, -1, 1, 1] += (std - 1) * duplicate
    conv.weight.copy_(weight)
