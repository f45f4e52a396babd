"""What lies in a folder of clips: videos by their ending, and everything else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif")
"""Endings taken for video, the preferred first where one clip exists twice."""


@dataclass(frozen=True, kw_only=True)
class FolderFiles:
    """Paths relative to the folder, in sorted order.

    Attributes:
        videos: Files with a video's ending.
        others: Everything else, with the reason why it is no clip.
    """

    videos: tuple[PurePosixPath, ...]
    others: tuple[tuple[str, str], ...]


def list_files(folder: Path) -> FolderFiles:
    """All files below `folder`. Links to folders are followed, each folder is entered once; hidden ones are not."""
    videos: list[PurePosixPath] = []
    others: list[tuple[str, str]] = []
    entered: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        entered.add(os.path.realpath(parent))
        relative = PurePosixPath(Path(parent).relative_to(folder).as_posix())
        others += [(printable(relative / name) + "/", "hidden folder") for name in folders if name.startswith(".")]
        # Links can make a folder its own descendant; os.walk would follow them for ever.
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and os.path.realpath(os.path.join(parent, name)) not in entered
        ]
        for name in names:
            reason = _why_not_a_clip(Path(parent, name))
            if reason:
                others.append((printable(relative / name), reason))
            else:
                videos.append(relative / name)
    return FolderFiles(videos=tuple(sorted(videos)), others=tuple(sorted(others)))


def printable(path: object) -> str:
    """The path as text that any terminal or file can hold, whatever bytes the file system gave."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _why_not_a_clip(path: Path) -> str:
    name = path.name
    if name.startswith("."):
        return "hidden file"
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return "no video by its ending"
    if printable(name) != name:
        return "the name is not Unicode"
    if not path.is_file():
        return "a link to nothing, or no plain file"
    return ""
