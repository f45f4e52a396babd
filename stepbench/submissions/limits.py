"""How large a submission may be, and the error that refuses one."""

from __future__ import annotations

from dataclasses import dataclass

from stepbench.errors import StepbenchError

MIB = 1 << 20


class SubmissionError(StepbenchError):
    """A submission that is refused unread: unsafe, too large, or not in the format."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a submission may hold. Sizes in bytes.

    Attributes:
        total: All files together, unpacked.
        file: One file.
        files: Number of files.
        ratio: Unpacked size over packed size, beyond the first 32 MiB; prompts and scores stay below 40.
        line: One line of a JSONL file.
        text: One JSON, JSONL, TOML or sums file.
        directory: Lists of names inside an archive, which have to be held in memory.
        depth: Folders within one another.
    """

    total: int = 64 << 30
    file: int = 4 << 30
    files: int = 200_000
    ratio: int = 100
    line: int = MIB
    text: int = 1 << 30
    directory: int = 64 * MIB
    depth: int = 6


UPLOAD = Limits(total=512 * MIB, file=128 * MIB, files=20_000, text=64 * MIB, directory=8 * MIB)
"""For a page that anybody reaches; larger runs are checked from the command line."""

MOST_MIB = 64
"""Largest archive that this page takes, in MiB."""
