"""Which sizes a training clip can have, and what is cut from a clip that has another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from reference_model.vae.lengths import FRAMES_PER_CHUNK, SPATIAL_FACTOR
from stepbench.errors import UsageError

Fit = Literal["refuse", "crop", "resize"]
"""What happens to a clip of another size: it is refused; its first frames and its middle are kept; or it is scaled down
first, as far as it still covers the size."""
FITS: tuple[str, ...] = get_args(Fit)


@dataclass(frozen=True, order=True)
class ClipSize:
    """Frames, height and width in pixels."""

    frames: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.frames}x{self.height}x{self.width}"

    @property
    def pixels(self) -> int:
        """Of all frames together."""
        return self.frames * self.height * self.width

    @property
    def within(self) -> ClipSize | None:
        """The largest valid size inside this one; None if there is none.

        Several frames never become an image: 2 to 16 frames hold no valid clip.
        """
        frames = 1 if self.frames == 1 else self.frames - self.frames % FRAMES_PER_CHUNK
        inside = ClipSize(frames, self.height - self.height % SPATIAL_FACTOR, self.width - self.width % SPATIAL_FACTOR)
        return inside if inside.pixels else None

    @property
    def is_valid(self) -> bool:
        """1 or 17n frames, sides that are multiples of 16."""
        return self.within == self

    def holds(self, other: ClipSize) -> bool:
        """Whether the other size can be cut from this one; an image only from an image."""
        same_kind = (self.frames == 1) == (other.frames == 1)
        return same_kind and all(mine >= its for mine, its in zip(_sides(self), _sides(other), strict=True))


class SizeRefusedError(ValueError):
    """A clip whose size cannot be trained on as it is; the text says why, and what would do."""


@dataclass(frozen=True, kw_only=True)
class SizeRule:
    """Which sizes clips end up with.

    Attributes:
        fit: What is done to a clip of another size.
        sizes: The only sizes there are; empty means every valid size.
    """

    fit: Fit = "refuse"
    sizes: tuple[ClipSize, ...] = ()

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise UsageError(f"fit must be one of {', '.join(FITS)}, got {self.fit!r}", hint="refuse changes no clip")
        for size in self.sizes:
            if not size.is_valid:
                raise UsageError(
                    f"size {size} is not valid: 1 or a multiple of {FRAMES_PER_CHUNK} frames, and sides that are "
                    f"multiples of {SPATIAL_FACTOR}",
                    hint=f"the nearest is {nearest_valid(size)}",
                )

    def target(self, size: ClipSize) -> ClipSize:
        """The size that a clip is given.

        Of several sizes, `crop` takes the one that keeps most of the clip, `resize` the longest and then the one whose
        shape is nearest.

        Raises:
            SizeRefusedError: If the clip is too short or too small, or is not to be changed.
        """
        if size.is_valid and (not self.sizes or size in self.sizes):
            return size
        candidates = [one for one in self.sizes or (size.within,) if one is not None and size.holds(one)]
        if not candidates:
            raise SizeRefusedError(self._why_too_small(size))
        best = max(candidates, key=lambda one: _kept(size, one, self.fit))
        if self.fit == "refuse":
            allowed = f"one of {', '.join(map(str, self.sizes))}" if self.sizes else "a valid size"
            raise SizeRefusedError(f"{size} is not {allowed}; the nearest inside is {best}: --fit crop cuts it out")
        return best

    def _why_too_small(self, size: ClipSize) -> str:
        if 1 < size.frames < FRAMES_PER_CHUNK:
            return f"too short: {size.frames} frames, a clip has {FRAMES_PER_CHUNK} or a multiple (an image has 1)"
        if self.sizes:
            return f"{size} has none of the sizes {', '.join(map(str, self.sizes))} inside it"
        return f"too small: {size.height}x{size.width} pixels, sides have {SPATIAL_FACTOR} or a multiple"


def parse_sizes(texts: Sequence[str]) -> tuple[ClipSize, ...]:
    """`17x64x64` (frames, height, width) as sizes, in the order given.

    Raises:
        UsageError: Another text, or a size given twice.
    """
    sizes = []
    for text in texts:
        match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})x([1-9]\d{0,5})", text, re.ASCII)
        if match is None:
            raise UsageError(f"a size must be FRAMESxHEIGHTxWIDTH, got {text!r}", hint="for example 17x64x64")
        sizes.append(ClipSize(*map(int, match.groups())))
    if len(set(sizes)) < len(sizes):
        raise UsageError(f"a size is given twice in {','.join(texts)}", hint="give each once")
    return tuple(sizes)


def nearest_valid(size: ClipSize) -> ClipSize:
    """The valid size whose frames and sides are closest."""
    one_chunk = FRAMES_PER_CHUNK if 2 * size.frames > 1 + FRAMES_PER_CHUNK else 1
    frames = max(one_chunk, round(size.frames / FRAMES_PER_CHUNK) * FRAMES_PER_CHUNK)
    height, width = (max(1, round(side / SPATIAL_FACTOR)) * SPATIAL_FACTOR for side in (size.height, size.width))
    return ClipSize(frames, height, width)


def scale_to_cover(size: ClipSize, target: ClipSize) -> tuple[int, int]:
    """Height and width of a frame that keeps its shape and just covers the target; never smaller than it."""
    factor = max(target.height / size.height, target.width / size.width)
    return max(target.height, round(size.height * factor)), max(target.width, round(size.width * factor))


def _kept(size: ClipSize, target: ClipSize, fit: Fit) -> tuple[float, ...]:
    if fit != "resize":
        return (target.pixels,)
    shape, other = size.height * target.width, target.height * size.width
    return target.frames, min(shape, other) / max(shape, other), target.pixels


def _sides(size: ClipSize) -> tuple[int, int, int]:
    return size.frames, size.height, size.width
