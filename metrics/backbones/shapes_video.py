"""The video tower of the `shapes` backbone, and the one way in which it samples a clip.

Pixels are read in patches of two frames (Arnab et al., 2021, section 3.2), motion by a convolution over these, and what
belongs together by attention over the whole clip: 16 frames of 32x32 become 512 patches, and these 64 tokens. One more
token sums up all others with weights of their own for every place and time: how far things moved is linear in those,
where a mean would have to be taught each direction the hard way.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from metrics.backbones.attention_block import AttentionBlock

FRAMES, SIDE = 16, 32
POLICY = "16f-32-antialias"
"""What `sample_clips` does, for metric ids."""

_PATCH = (2, 4, 4)
_GRID = (FRAMES // 4, SIDE // 8, SIDE // 8)
"""Tokens along time, height and width."""

_PATCH_CHANNELS, _CHANNELS, _SUMMED_CHANNELS = 64, 128, 16

SampledClips = Float[Tensor, "batch 16 3 32 32"]


def sample_clips(clips: UInt8[Tensor, "batch time 3 height width"]) -> SampledClips:
    """16 frames of 32x32 in [-1, 1].

    Frames are the nearest ones to 16 places that run evenly from the first to the last; a shorter clip repeats some.
    Each is squashed to a square, whatever its shape, by a bilinear filter that is widened when it shrinks (antialias);
    nothing is cropped and nothing rounded.
    """
    chosen = clips[:, frame_places(clips.shape[1])].float()
    if chosen.shape[-2:] != (SIDE, SIDE):
        size = (SIDE, SIDE)
        small = F.interpolate(chosen.flatten(0, 1), size, mode="bilinear", antialias=True, align_corners=False)
        chosen = small.unflatten(0, chosen.shape[:2])
    return chosen / 127.5 - 1


def frame_places(frames: int) -> Int64[Tensor, " 16"]:
    """Which frames of a clip of so many are seen: i * (frames - 1) / 15, halves rounded up, in whole numbers."""
    return (2 * torch.arange(FRAMES) * (frames - 1) + FRAMES - 1) // (2 * (FRAMES - 1))


def frames_seen(frames: int) -> list[int]:
    """`frame_places`, each once: of these frames alone, all are seen."""
    return sorted(set(frame_places(frames).tolist()))


def cut_into_patches(clips: SampledClips) -> Float[Tensor, "batch 8 8 8 values"]:
    """Patches of 2 frames of 4x4 in a grid along time, height and width, the pixels of each in one row."""
    frames, rows, columns = _PATCH
    grid = clips.unflatten(4, (-1, columns)).unflatten(3, (-1, rows)).unflatten(1, (-1, frames))
    return grid.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4)


class VideoTower(nn.Module):
    """Clips to features of three depths, and to a point in the space shared with texts.

    Args:
        embedding: Dimensions of that space.
        blocks: Transformer blocks.
    """

    def __init__(self, embedding: int, blocks: int) -> None:
        super().__init__()
        self.patches = nn.Linear(3 * math.prod(_PATCH), _PATCH_CHANNELS)
        self.motion = nn.Conv3d(_PATCH_CHANNELS, _CHANNELS, 3, stride=2, padding=1)
        self.places = nn.ParameterList(nn.Parameter(torch.randn(size, _CHANNELS) * 0.1) for size in _GRID)
        self.squeeze = nn.Linear(_CHANNELS, _SUMMED_CHANNELS)
        self.sum_up = nn.Linear(math.prod(_GRID) * _SUMMED_CHANNELS, _CHANNELS)
        self.blocks = nn.ModuleList(AttentionBlock(_CHANNELS, heads=4, expansion=2) for _ in range(blocks))
        self.norm = nn.LayerNorm(_CHANNELS)
        self.project = nn.Linear(_CHANNELS, embedding, bias=False)
        for layer in (self.patches, self.motion):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @property
    def feature_dimensions(self) -> int:
        """Length of `features`."""
        return _PATCH_CHANNELS + 2 * _CHANNELS

    def forward(self, clips: SampledClips) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch embedding"]]:
        """Means over the clip of patches and of motion with the summary of everything, and the embedding."""
        patches = F.gelu(self.patches(cut_into_patches(clips)))
        motion = F.gelu(self.motion(patches.permute(0, 4, 1, 2, 3)))
        along_time, along_height, along_width = self.places
        where = along_time[:, None, None] + along_height[None, :, None] + along_width[None, None]
        tokens = motion.flatten(2).transpose(1, 2)
        summary = self.sum_up(self.squeeze(tokens).flatten(1))[:, None]
        tokens = torch.cat([summary, tokens + where.flatten(0, 2)], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        seen = self.norm(tokens[:, 0])
        features = torch.cat([patches.mean(dim=(1, 2, 3)), motion.mean(dim=(2, 3, 4)), seen], dim=1)
        return features, self.project(seen)
