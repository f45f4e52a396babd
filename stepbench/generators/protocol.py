"""What a generator is: three members, no base class to inherit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from stepbench.records import GeneratorCard, Prompt, Request, Settings


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a generator returns: either frames or a file it wrote.

    Attributes:
        frames: uint8 RGB array (time, channel, height, width), or an iterable of such arrays, consecutive pieces of the
            clip that are encoded as they come, so that no more than one needs to be in memory. None when `path` is
            given.
        fps: Frames per second; required with `frames`, ignored with `path` (the container says it).
        path: A video file, kept byte for byte as the master.
        seconds: Time by stage (`text_encode`, `denoise`, `vae_decode` ...), where the generator measures it. This and
            `measures` are read after the last piece of `frames`, so they may be filled in until then.
        measures: Facts about the clip that its row keeps, such as `code_bits`; finite, and the same in every run.
        peak_memory_bytes: Of the device that the model runs on, or a function that says so after the last piece; None
            where the memory of the process says it all.
    """

    frames: np.ndarray | Iterable[np.ndarray] | None = None
    fps: float | None = None
    path: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | Callable[[], int | None] | None = None


@runtime_checkable
class Generator(Protocol):
    """Turns a request into a clip.

    Anything else it raises makes the sample `failed`; `Refused` makes it `refused`.
    """

    card: GeneratorCard

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """The full settings of one (prompt, seed), with every default that decides the output.

        Raises:
            UsageError: A setting that the generator does not know, or a value out of range.
        """
        ...

    def generate(self, request: Request) -> Clip:
        """The clip of one request, a function of text, seed and settings alone.

        Raises:
            Refused: The generator declines the prompt.
        """
        ...
