"""Pairs of clips of which one was preferred: what Video-DPO learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor

from reference_model.errors import ReferenceModelError
from reference_model.training.data import TrainingClip

Decode = Callable[[Path], TrainingClip]
"""Reads a video file; this package has no codec of its own."""


class PreferenceDataError(ReferenceModelError):
    """Preferences that cannot be learned from."""


@runtime_checkable
class PreferenceClip(Protocol):
    """One side of a pair, whose frames are read only when they are needed."""

    @property
    def digest(self) -> str:
        """Sha256 of the content, in hex: the same for the same clip wherever it lies."""
        ...

    def read(self) -> TrainingClip:
        """Frames and frame rate."""
        ...


class LazyClip:
    """A clip in a video file, hashed and decoded when it is asked for.

    Args:
        path: The file.
        decode: Reads it.
    """

    def __init__(self, path: Path, decode: Decode) -> None:
        self.path = path
        self._decode = decode
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """Sha256 of the file's bytes, which are read once."""
        if self._digest is None:
            with self.path.open("rb") as stream:
                self._digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._digest

    def read(self) -> TrainingClip:
        """Decodes the file."""
        return self._decode(self.path)


class ClipInMemory:
    """A clip that has been decoded.

    Args:
        frames: uint8 RGB.
        fps: Frames per second.
    """

    def __init__(self, frames: UInt8[Tensor, "time 3 height width"], fps: float = 25.0) -> None:
        self._clip = TrainingClip(frames=frames, fps=fps)

    @property
    def digest(self) -> str:
        """Sha256 of shape, frame rate and pixels."""
        frames = self._clip.frames.cpu().contiguous()
        return hashlib.sha256(f"{tuple(frames.shape)} {self._clip.fps}".encode() + frames.numpy().tobytes()).hexdigest()

    def read(self) -> TrainingClip:
        """The clip."""
        return self._clip


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    """Two clips of one prompt, of one size, length and frame rate, of which one was preferred.

    Attributes:
        prompt: What both were made from.
        winner: The preferred one.
        loser: The other one.
        share: Of the votes for one of the two, those for the winner: above 0.5, up to 1.

    Raises:
        PreferenceDataError: For any other share.
    """

    prompt: str
    winner: PreferenceClip
    loser: PreferenceClip
    share: float = 1.0

    def __post_init__(self) -> None:
        check_share(self.share)


@runtime_checkable
class PreferenceSource(Protocol):
    """Pairs by number, as a list has them; the same number always gives the same pair."""

    def __len__(self) -> int:
        """How many pairs there are."""
        ...

    def __getitem__(self, index: int, /) -> PreferencePair:
        """One pair, 0 to len - 1."""
        ...


def read_preferences(file: Path, decode: Decode) -> list[PreferencePair]:
    """Pairs from a JSONL file: one object per line with `prompt`, `chosen`, `rejected` and `share`.

    `chosen` and `rejected` are video files, relative to the folder of the JSONL file. `share` is that of the votes for
    `chosen` among those for one of the two; 1 where nobody counted. Other keys are not read, nor are empty lines. No
    video is opened yet.

    Args:
        file: UTF-8.
        decode: Reads a video file.

    Raises:
        PreferenceDataError: For a line that is no such object or names a file that is not there, with its number.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PreferenceDataError(f"preferences cannot be read from {file}: {error}") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                pairs.append(_pair(json.loads(line), file.parent, decode))
            except PreferenceDataError as error:
                raise PreferenceDataError(f"{file}, line {number}: {error.message}", hint=error.hint) from error
            except ValueError as error:
                raise PreferenceDataError(f"{file}, line {number}: {error}") from error
    if not pairs:
        raise PreferenceDataError(f"{file} holds no preferences")
    return pairs


def check_share(share: float) -> None:
    """Stops with `PreferenceDataError` unless the winner has the majority."""
    if not 0.5 < share <= 1:
        raise PreferenceDataError(
            f"share of votes for the winner must be above 0.5 and at most 1, got {share}",
            hint="swap the clips if the other one won; a tie teaches nothing",
        )


def _pair(row: Any, folder: Path, decode: Decode) -> PreferencePair:
    kinds: dict[str, Any] = {"prompt": str, "chosen": str, "rejected": str, "share": int | float}
    if not isinstance(row, dict):
        raise PreferenceDataError(f"a JSON object is needed, got {type(row).__name__}")
    for key, kind in kinds.items():
        if not isinstance(row.get(key), kind) or isinstance(row[key], bool):
            found = repr(row[key]) if key in row else "nothing"
            raise PreferenceDataError(f"{key!r} must be a {'text' if kind is str else 'number'}, got {found}")
    files = [folder / row[key] for key in ("chosen", "rejected")]
    for path in files:
        if not path.is_file():
            raise PreferenceDataError(
                f"no such clip: {path}", hint="names are relative to the folder of the JSONL file"
            )
    winner, loser = (LazyClip(path, decode) for path in files)
    return PreferencePair(prompt=row["prompt"], winner=winner, loser=loser, share=float(row["share"]))
