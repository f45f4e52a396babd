"""Decode every clip of a folder once before training, and remember what was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stepbench.progress import track
from stepbench.runs.journal import saving
from stepbench.training.clip_sizes import ClipSize
from stepbench.training.manifest import ManifestRow
from stepbench.video import VideoError, probe, read_chunks

INDEX_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What decoding a file showed.

    Attributes:
        size: Of all frames.
        fps: Frames per second, as the file says.
        bytes: Size of the file; with `modified`, tells whether it is still the same.
        modified: Nanoseconds since 1970.
    """

    size: ClipSize
    fps: float
    bytes: int
    modified: int


class InspectedClips:
    """Facts about clips, kept in a JSON file so that a run that goes on does not decode everything again.

    Args:
        index: The file; only `save` writes it.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        self._known = _read(index) if index.is_file() else {}

    def inspect(self, folder: Path, rows: Sequence[ManifestRow]) -> tuple[dict[str, ClipFacts], list[str]]:
        """Facts by file, and every file that is missing or cannot be decoded to its end, as `file:line: problem`."""
        facts: dict[str, ClipFacts] = {}
        problems: list[str] = []
        for row in track(rows, total=len(rows), description="checking clips"):
            try:
                facts[str(row.file)] = self._facts(folder / row.file, str(row.file))
            except VideoError as error:
                problems.append(f"{row.where}: {error.message}")
        self._known |= facts
        return facts, problems

    def save(self) -> None:
        """Writes the file.

        Raises:
            IncompleteError: It cannot be written.
        """
        with saving(self._index):
            self._index.parent.mkdir(parents=True, exist_ok=True)
            clips = {file: asdict(facts) for file, facts in self._known.items()}
            partial = self._index.with_suffix(".partial")
            partial.write_text(json.dumps({"version": INDEX_VERSION, "clips": clips}), encoding="utf-8")
            partial.replace(self._index)

    def _facts(self, path: Path, name: str) -> ClipFacts:
        # `probe` is what says that a file is missing.
        fps = probe(path).fps
        status = path.stat()
        known = self._known.get(name)
        if known is not None and (known.bytes, known.modified) == (status.st_size, status.st_mtime_ns):
            return known
        frames, height, width = 0, 0, 0
        for chunk in read_chunks(path):
            frames, (height, width) = frames + len(chunk), chunk.shape[2:]
        size = ClipSize(frames, int(height), int(width))
        return ClipFacts(size=size, fps=fps, bytes=status.st_size, modified=status.st_mtime_ns)


def _read(index: Path) -> dict[str, ClipFacts]:
    """What the file remembers; nothing where another version wrote it, or it was damaged: then all is decoded again."""
    try:
        stored = json.loads(index.read_text(encoding="utf-8"))
        if stored["version"] != INDEX_VERSION:
            return {}
        return {
            file: ClipFacts(**{**facts, "size": ClipSize(**facts["size"])}) for file, facts in stored["clips"].items()
        }
    except (ValueError, KeyError, TypeError):
        return {}
