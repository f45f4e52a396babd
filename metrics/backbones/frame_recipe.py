"""How frames become what an image network was trained on: resized, cropped, normalised, as its publisher says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.errors import UnavailableMetricError

_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of filters, which `preprocessor_config.json` uses."""


@dataclass(frozen=True, kw_only=True)
class FrameRecipe:
    """A resize, an optional crop of the centre, and a normalisation.

    Attributes:
        size: Height and width after the resize; a single number is the length of the shorter side, aspect kept.
        crop: Height and width of the centre that is kept, or None.
        filter: Of the resize, with half-pixel centres.
        mean: Per RGB channel, of levels on [0, 1].
        std: Likewise.
        vbench: Whether frames are resized as VBench does it: the filter is not widened where it shrinks a frame, values
            are not rounded to 8-bit levels, and an odd margin is halved to the even side. Publishers of the networks
            resize with Pillow and crop with the smaller half first.
    """

    size: int | tuple[int, int]
    crop: tuple[int, int] | None
    filter: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    vbench: bool = False

    @property
    def policy(self) -> str:
        """For metric ids, such as `short224-bicubic-crop224` or `224x224-bilinear`. Mean and std are in the hash."""
        size = f"short{self.size}" if isinstance(self.size, int) else _sides(self.size)
        crop = []
        if self.crop is not None:
            crop = [f"crop{self.crop[0]}" if self.crop[0] == self.crop[1] else f"crop{_sides(self.crop)}"]
        return "-".join([size, self.filter, *crop, *(["vbench"] if self.vbench else [])])

    def apply(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float32[Tensor, "t 3 y x"]:
        """Normalised frames."""
        pixels = frames.float()
        size = self._resized(*frames.shape[-2:])
        # Pillow resizes rows first, and rounds after each of its two passes, halves up.
        for step in [size] if self.vbench else [(frames.shape[-2], size[1]), size]:
            if step != tuple(pixels.shape[-2:]):
                pixels = F.interpolate(pixels, step, mode=self.filter, antialias=not self.vbench)
            if not self.vbench:
                pixels = (pixels + 0.5).floor().clamp(0, 255)
        if self.crop is not None:
            top, left = (self._margin(have, keep) for have, keep in zip(size, self.crop, strict=True))
            pixels = pixels[..., top : top + self.crop[0], left : left + self.crop[1]]
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels / 255 - mean) / std

    def without_crop(self) -> FrameRecipe:
        """The same scale and nothing cut off: the shorter side takes the length of the crop's."""
        side = self.crop or self.size
        return replace(self, size=side if isinstance(side, int) else min(side), crop=None)

    def as_vbench(self) -> FrameRecipe:
        """The same sizes, by VBench's way of resizing."""
        return replace(self, vbench=True)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return self.size
        short = min(height, width)
        return self.size * height // short, self.size * width // short

    def _margin(self, have: int, keep: int) -> int:
        return round((have - keep) / 2) if self.vbench else (have - keep) // 2


def read_recipe(folder: Path) -> FrameRecipe:
    """The recipe that `preprocessor_config.json` of a published model states.

    Raises:
        UnavailableMetricError: The file is missing, or states something that is not known here.
    """
    path = folder / "preprocessor_config.json"
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        crop = _size(stated["crop_size"]) if stated.get("do_center_crop") else None
        return FrameRecipe(
            size=_size(stated["size"]) if crop is None else _size(stated["size"], square=False),
            crop=(crop, crop) if isinstance(crop, int) else crop,
            filter=_FILTERS[stated["resample"]],
            mean=_three(stated["image_mean"]),
            std=_three(stated["image_std"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableMetricError(
            f"{path} does not say how frames are resized and normalised ({type(error).__name__}: {error})",
            hint="fetch the whole folder again with `stepbench weights pull`",
        ) from error


def _size(stated: int | Mapping[str, Any], *, square: bool = True) -> int | tuple[int, int]:
    """A stated size; older files give one number, which is a square unless a crop follows."""
    if isinstance(stated, int):
        return (stated, stated) if square else stated
    if "shortest_edge" in stated:
        return int(stated["shortest_edge"])
    return int(stated["height"]), int(stated["width"])


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


FRAMES_AT_ONCE = 32
"""How many frames an image network sees at a time."""


def frame_batches(frames: Tensor) -> tuple[Tensor, ...]:
    """Frames in batches that bound memory; a clip is always split alike, so its features do not depend on others."""
    return torch.split(frames, FRAMES_AT_ONCE)
