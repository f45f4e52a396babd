"""The same cut of every source clip, for autoencoders that take certain lengths and sizes only."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from stepbench.errors import UsageError
from stepbench.generators.protocol import Clip
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.reconstruct.source import SourceRun, SourceUnavailableError
from stepbench.records import GeneratorCard, Prompt, Request, Settings


@dataclass(frozen=True)
class Crop:
    """First so many frames, and the window of so many pixels in the middle."""

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(astuple(self)) < 1:
            raise UsageError(f"a crop must keep at least one pixel, got {self}", hint="for example 17x256x256")

    def __str__(self) -> str:
        return "x".join(map(str, astuple(self)))

    def cut(self, frames: np.ndarray) -> np.ndarray:
        """The part of uint8 RGB frames (time, 3, height, width) that is kept.

        Raises:
            SourceUnavailableError: The clip is shorter or smaller than the crop; it is never padded.
        """
        time, _, height, width = frames.shape
        if time < self.frames or height < self.height or width < self.width:
            raise SourceUnavailableError(f"the clip is {time}x{height}x{width}, too small for the crop {self}")
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return frames[: self.frames, :, top : top + self.height, left : left + self.width]


class CroppedClips:
    """The clips of a run, cropped: a generator, so that what was measured against is a run that can be looked at."""

    def __init__(self, source: SourceRun, crop: Crop) -> None:
        self._source = source
        self._crop = crop
        self.card = GeneratorCard(
            name=f"crop:{crop}", revision="1", description="first frames and centre window of clips made elsewhere"
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """Which clip is cut, and to which size."""
        refuse_unknown_settings(self.card.name, settings, ())
        return {"crop": str(self._crop), "source": self._source.identify(prompt, seed)}

    def generate(self, request: Request) -> Clip:
        """The cut of one source clip.

        Raises:
            Refused: The source was refused.
            SourceUnavailableError: There is no source clip, or it is too small.
        """
        clip = self._source.read(request.prompt_id, request.seed, request.settings["source"])
        return Clip(frames=self._crop.cut(clip.frames), fps=clip.fps)


def parse_crop(text: str) -> Crop:
    """`FRAMESxHEIGHTxWIDTH` as a crop.

    Raises:
        UsageError: Anything else.
    """
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if match is None:
        raise UsageError(f"--crop must be FRAMESxHEIGHTxWIDTH, got {text!r}", hint="for example --crop 17x256x256")
    frames, height, width = map(int, match.groups())
    return Crop(frames, height, width)
