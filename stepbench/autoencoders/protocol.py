"""What an autoencoder is: five members, no base class to inherit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from stepbench.errors import StepbenchError
from stepbench.records import GeneratorCard, Settings

if TYPE_CHECKING:
    from stepbench.video import VideoClip


class UnsuitableClipError(StepbenchError):
    """A clip of a length or size that the autoencoder does not take. Nothing is cropped or padded in silence."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """A clip in its compressed form.

    Attributes:
        data: All that `decode` is given, so everything that is needed must be in it and be counted.
        bits: Size of `data` as it would be stored: 8 per byte of a stream, elements times bits per element of latents.
    """

    data: Any
    bits: int


@runtime_checkable
class Autoencoder(Protocol):
    """Turns clips into codes and codes into clips.

    Whatever it raises makes the reconstruction of that clip `failed`; the others go on.

    Attributes:
        card: Who it is, in the terms of a generator's card; the name is the one that tables show.
    """

    card: GeneratorCard

    def resolve(self, settings: Settings) -> dict[str, Any]:
        """The full settings, with every default that decides code or clip.

        Raises:
            UsageError: A setting that the autoencoder does not know, or a value out of range.
        """
        ...

    def prepare(self, settings: Settings) -> None:
        """Load what these settings need, unless it is there. Called before every clip, outside its encoding time."""
        ...

    def encode(self, clip: VideoClip, settings: Settings) -> Code:
        """The code of a clip of uint8 RGB frames (time, 3, height, width), a function of clip and settings alone.

        Raises:
            UnsuitableClipError: A clip of this length or size has no code.
        """
        ...

    def decode(self, code: Code, settings: Settings) -> np.ndarray:
        """Frames, uint8 RGB, of the shape that the encoded clip had."""
        ...
