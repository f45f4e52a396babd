"""The second path through the ends of the VAE: folding pixels into channels and back, without parameters."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from reference_model.vae.layers import CausalConv3d, Changed, Video


def space_to_channel(x: Video, factor: int) -> Changed:
    """Folds cubes of factor^3 voxels into channels; new channel = ((c * F + dt) * F + dy) * F + dx.

    F - 1 zero frames go in front first, so that a first frame alone makes up the first cube.
    """
    x = F.pad(x, (0, 0, 0, 0, factor - 1, 0))
    x = x.unflatten(4, (-1, factor)).unflatten(3, (-1, factor)).unflatten(2, (-1, factor))  # b c t dt y dy x dx
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def channel_to_space(x: Video, factor: int) -> Changed:
    """Inverse of `space_to_channel`: unfolds channels and drops the first F - 1 frames; t becomes F * t - (F - 1)."""
    x = x.unflatten(1, (-1, factor, factor, factor))  # b c dt dy dx t y x
    x = x.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)
    return x[:, :, factor - 1 :]


def average_shortcut(x: Video, out_channels: int, factor: int) -> Changed:
    """Encoder side: fold, then average runs of consecutive channels down to `out_channels`."""
    return space_to_channel(x, factor).unflatten(1, (out_channels, -1)).mean(dim=2)


def duplicate_shortcut(x: Video, out_channels: int, factor: int) -> Changed:
    """Decoder side: repeat every channel in place up to `out_channels * factor^3`, then unfold."""
    copies = out_channels * factor**3 // x.shape[1]
    return channel_to_space(x.repeat_interleave(copies, dim=1), factor)


class Patchify(nn.Module):
    """2x2x2 voxels to one, eight times the channels: folded convolution plus averaging shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.conv = CausalConv3d(in_channels, out_channels // 8)

    def forward(self, x: Video) -> Changed:
        """(b, in, 2t - 1, 2h, 2w) -> (b, out, t, h, w)."""
        return space_to_channel(self.conv(x), 2) + average_shortcut(x, self.out_channels, 2)


class Unpatchify(nn.Module):
    """One voxel to 2x2x2, an eighth of the channels: unfolded convolution plus duplicating shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.conv = CausalConv3d(in_channels, out_channels * 8)

    def forward(self, x: Video) -> Changed:
        """(b, in, t, h, w) -> (b, out, 2t - 1, 2h, 2w)."""
        return channel_to_space(self.conv(x), 2) + duplicate_shortcut(x, self.out_channels, 2)
