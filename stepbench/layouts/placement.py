"""Where a file belongs: one (prompt, sample index), or nowhere and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from stepbench.records import Prompt


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one file belongs.

    Attributes:
        file: Relative to the scanned folder, or absolute; None where a manifest lists a clip that is not there.
        prompt_id: None if the file belongs nowhere; `note` says why.
        seed: The sample index.
        looseness: 0 where the name is exactly what the layout asks for.
        note: How the file was matched if not exactly, or why not, or why it is missing.
        sha256: The hash that a manifest promises.
    """

    file: PurePosixPath | None
    prompt_id: str | None = None
    seed: int = 0
    looseness: int = 0
    note: str = ""
    sha256: str | None = None

    @property
    def key(self) -> tuple[str | None, int]:
        """What the file is the clip of."""
        return self.prompt_id, self.seed


class Layout(Protocol):
    """A layout, made for one suite: it knows from a file's name, or from a manifest, what the clip is."""

    def place(self, files: Sequence[PurePosixPath]) -> list[Placement]:
        """At least one placement per file, in any order."""
        ...

    def why_missing(self, prompt: Prompt, seed: int) -> str:
        """What to say of a clip that no placement stands for."""
        ...
