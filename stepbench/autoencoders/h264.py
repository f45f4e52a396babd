"""`h264:CRF`: the video codec that everybody has, as the baseline of autoencoders."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from stepbench.autoencoders.protocol import Code, UnsuitableClipError
from stepbench.errors import UsageError
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import GeneratorCard, Settings
from stepbench.video import VideoError
from stepbench.video.h264 import (
    MAX_CRF,
    PIXEL_FORMATS,
    PRESETS,
    TUNES,
    H264Options,
    decode_h264,
    encode_h264,
    encoder_version,
)

if TYPE_CHECKING:
    from stepbench.video import VideoClip

_CHOICES = {"preset": PRESETS, "tune": TUNES, "pixel_format": PIXEL_FORMATS}


class H264:
    """x264 at one constant rate factor; the code is its stream, every byte counted but x264's comment on itself.

    Settings: `preset`, `tune`, `pixel_format` and `gop` of `stepbench.video.h264.H264Options`.
    """

    def __init__(self, crf: float) -> None:
        self._defaults = asdict(H264Options(crf=crf))
        self.card = GeneratorCard(
            name=f"h264:{crf:g}",
            revision=encoder_version(),
            licence="GPL-2.0-or-later",
            description=f"H.264 by x264 at constant rate factor {crf:g}, one thread; bits of the bare stream",
        )

    def resolve(self, settings: Settings) -> dict[str, Any]:
        """Settings with defaults filled in, and the rate factor under `crf`.

        Raises:
            UsageError: An unknown setting, or a value that the codec does not take.
        """
        refuse_unknown_settings(self.card.name, settings, [name for name in self._defaults if name != "crf"])
        resolved = {**self._defaults, **settings}
        for name, choices in _CHOICES.items():
            if resolved[name] not in choices:
                raise UsageError(
                    f"{self.card.name} has no {name} {resolved[name]!r}", hint=f"choose from {', '.join(choices)}"
                )
        gop = resolved["gop"]
        if not isinstance(gop, int) or isinstance(gop, bool) or gop < 1:
            raise UsageError(
                f"{self.card.name}: gop must be a whole number above 0, got {gop!r}", hint="add --set gop=12"
            )
        return resolved

    def prepare(self, settings: Settings) -> None:
        """A codec has nothing to load."""

    def encode(self, clip: VideoClip, settings: Settings) -> Code:
        """The stream of a clip.

        Raises:
            UnsuitableClipError: An odd height or width in yuv420p.
        """
        try:
            stream = encode_h264(clip.frames, clip.fps, H264Options(**settings))
        except VideoError as error:
            raise UnsuitableClipError(f"{error.message}; --set pixel_format=yuv444p takes any") from error
        return Code(data=stream, bits=8 * len(stream))

    def decode(self, code: Code, settings: Settings) -> np.ndarray:
        """Frames of a stream; the stream says everything that decoding needs."""
        return decode_h264(code.data)


def h264_autoencoder(argument: str) -> H264:
    """Factory of the `h264` family; the argument is the constant rate factor, such as 23 or 17.5.

    Raises:
        UsageError: No number from 0 to 51.
    """
    try:
        crf = float(argument)
    except ValueError:
        crf = -1.0
    if not 0 <= crf <= MAX_CRF:
        raise UsageError(
            f"h264: needs a rate factor from 0 to {MAX_CRF}, got {argument!r}", hint="for example h264:23; 0 is best"
        )
    return H264(crf)
