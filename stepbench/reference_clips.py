"""The reference set of `near_duplicate` from a folder of clips: `python -m stepbench.reference_clips FOLDER FILE`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stepbench.errors import NothingSelectedError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi"}


def write_reference_set(folder: Path, target: Path, *, features: str = "layout") -> int:
    """Describe every clip below a folder, one at a time, and write the set; clips are called by their path below it.

    Args:
        features: `layout`, or the name or folder of an image network; see `metrics.governance.reference_set`.

    Returns:
        How many clips there are.

    Raises:
        NothingSelectedError: There is no clip.
        VideoError: A clip cannot be decoded.
        MetricError: The network's weights are not on this machine.
    """
    from metrics.governance.reference_set import ReferenceSet

    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise NothingSelectedError(f"no clip below {folder}", hint=f"clips end in {', '.join(sorted(SUFFIXES))}")
    ReferenceSet.of(_read(folder, files), features).save(target)
    return len(files)


def _read(folder: Path, files: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    import torch

    from stepbench.video import read_clip

    for file in files:
        yield file.relative_to(folder).as_posix(), torch.from_numpy(read_clip(file).frames)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--features", default="layout")
    given = parser.parse_args(arguments)
    count = write_reference_set(given.folder, given.file, features=given.features)
    print(f"{count} clips described in {given.file}; name it in STEPBENCH_REFERENCE_CLIPS")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
