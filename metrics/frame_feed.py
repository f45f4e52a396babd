"""Frames of a clip, as they come from a decoder, in the parts that a metric wants: some of them, so many at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

Frames = UInt8[Tensor, "t 3 h w"]


class Part(NamedTuple):
    """Frames in a row of those that are fed on.

    Attributes:
        frames: At least one.
        reference: What they are compared with, as many; None where there is no reference.
        start: How many came before them.
        previous: The last of those, (1, 3, h, w).
    """

    frames: Frames
    reference: Frames | None
    start: int
    previous: Frames | None


class FrameFeed:
    """Holds frames back until there are enough for a part.

    Args:
        seen: Which frames of the clip are fed on, in rising order; None for all.
        at_once: How many to a part, the last one aside. None for parts as they come, but never one frame alone unless
            the clip has no other, so that every part has a pair of neighbours; such parts know their previous frame.
        whole: All in one part, at the end.
    """

    def __init__(self, seen: Sequence[int] | None = None, *, at_once: int | None = None, whole: bool = False) -> None:
        self._seen = seen
        self._at_once = at_once
        self._whole = whole
        self._came = 0
        self._fed = 0
        self._held: list[tuple[Frames, Frames | None]] = []
        self._previous: Frames | None = None

    def add(self, frames: Frames, reference: Frames | None = None) -> Iterator[Part]:
        """Take the next frames of the clip in, and give the parts that are complete."""
        start, self._came = self._came, self._came + len(frames)
        if self._seen is not None:
            first, last = (bisect_left(self._seen, place) for place in (start, self._came))
            chosen = [place - start for place in self._seen[first:last]]
            frames, reference = frames[chosen], None if reference is None else reference[chosen]
        if len(frames):
            self._held.append((frames, reference))
        waiting = sum(len(held) for held, _ in self._held)
        if self._whole:
            return
        if self._at_once is None:
            if waiting > (self._fed == 0):
                yield self._part(waiting)
            return
        while waiting >= self._at_once:
            waiting -= self._at_once
            yield self._part(self._at_once)

    def rest(self) -> Iterator[Part]:
        """The last part, where frames are still held."""
        waiting = sum(len(held) for held, _ in self._held)
        if waiting:
            yield self._part(waiting)

    def _part(self, size: int) -> Part:
        frames, reference = self._joined()
        rest = frames[size:], None if reference is None else reference[size:]
        self._held = [rest] if len(rest[0]) else []
        part = Part(frames[:size], None if reference is None else reference[:size], self._fed, self._previous)
        self._fed += size
        if self._at_once is None and not self._whole:
            self._previous = part.frames[-1:].clone()
        return part

    def _joined(self) -> tuple[Frames, Frames | None]:
        if len(self._held) == 1:
            return self._held[0]
        frames = torch.cat([frames for frames, _ in self._held])
        references = [reference for _, reference in self._held if reference is not None]
        return frames, torch.cat(references) if len(references) == len(self._held) else None
