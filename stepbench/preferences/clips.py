"""The clips of a study as annotators get them: one codec, no metadata, and names that tell nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stepbench.canonical import sha256_file
from stepbench.preferences.errors import StudyError
from stepbench.runs.journal import saving

CLIPS = "clips"
NAME_LENGTH = 32


@dataclass(frozen=True)
class ShownClip:
    """A clip among those of a study.

    Attributes:
        name: Relative to the study folder, such as `clips/9f3c....mp4`; a function of the shown pixels alone.
    """

    name: str
    frames: int
    fps: float


class ClipFolder:
    """Encodes clips into the `clips/` of a study folder, each source once.

    Every clip is encoded anew, H.264 in MP4: so two clips differ in their pictures only, not in codec, tags or tracks.
    """

    def __init__(self, folder: Path | None) -> None:
        if folder is None:
            raise StudyError(
                "a study in a server's database needs a folder for its clips",
                hint="make it with `stepbench prefs new FOLDER --url-from VARIABLE`, and open that folder",
            )
        self.folder = folder
        self._known: dict[Path, ShownClip] = {}

    def publish(self, source: Path) -> ShownClip:
        """Show the clip of this file; memory does not grow with its length.

        Raises:
            VideoError: No file, or none that can be decoded to its end.
            IncompleteError: The folder cannot be written.
        """
        from stepbench.video import probe, read_chunks

        if source not in self._known:
            self._known[source] = self.write(read_chunks(source), probe(source).fps)
        return self._known[source]

    def write(self, chunks: Iterable[np.ndarray], fps: float) -> ShownClip:
        """Show these frames, uint8 RGB (time, 3, height, width), in one or more chunks."""
        from stepbench.video import preview_writer

        clips = self.folder / CLIPS
        scratch = clips / f".{os.getpid()}-{threading.get_ident()}.mp4"
        with saving(scratch):
            clips.mkdir(parents=True, exist_ok=True)
        try:
            frames = 0
            with saving(scratch), preview_writer(scratch, fps) as writer:
                for chunk in chunks:
                    writer.write(chunk)
                    frames += len(chunk)
            with saving(scratch):
                name = f"{CLIPS}/{sha256_file(scratch)[:NAME_LENGTH]}.mp4"
                scratch.replace(self.folder / name)
        finally:
            scratch.unlink(missing_ok=True)
        return ShownClip(name, frames, fps)
