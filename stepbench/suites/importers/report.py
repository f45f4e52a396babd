"""What an import did: counts, and everything a reader would otherwise have to take on trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stepbench.records import Suite


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """The facts of one import.

    Attributes:
        source: The file or folder read.
        sha256: Hash of the file's bytes, or of the names and hashes of a folder's files.
        format: The format it was read as, one of `PROMPT_FORMATS`.
        detected: Why this format.
        n_rows: Rows in the file.
        n_prompts: Prompts in the suite; smaller than `n_rows` by `len(merged)`.
        languages: Language -> number of prompts.
        categories: Category -> number of prompts.
        n_guessed_languages: Prompts whose language was guessed by script (Han is `zh`, all else `en`).
        merged: `file:line` of each merged row -> `file:line` of the row with the same text that took it in.
        same_text: Groups of ids of prompts with the very same text, kept apart.
        look_alikes: Groups of ids of prompts whose texts differ only in case or in Unicode form.
        renamed: Ids of the file that are not safe as file names -> ids given instead.
        ignored_keys: Keys or columns that have no place in a suite.
        notes: Whatever else a reader should know.
    """

    source: str
    sha256: str
    format: str
    detected: str
    n_rows: int
    n_prompts: int
    languages: Mapping[str, int]
    categories: Mapping[str, int]
    n_guessed_languages: int = 0
    merged: Mapping[str, str]
    same_text: tuple[tuple[str, ...], ...] = ()
    look_alikes: tuple[tuple[str, ...], ...] = ()
    renamed: Mapping[str, str]
    ignored_keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def text(self) -> str:
        """The report for people."""
        lines = [
            f"{self.source}: {self.n_prompts} prompts from {self.n_rows} rows, read as {self.format} ({self.detected})",
            f"  sha256      {self.sha256}",
            f"  languages   {_counts(self.languages)}"
            + (f"  ({self.n_guessed_languages} guessed by script)" if self.n_guessed_languages else ""),
            f"  categories  {_counts(self.categories)}",
        ]
        lines += [f"  merged      {row} has the text of {first}" for row, first in self.merged.items()]
        lines += [f"  same text   {' = '.join(ids)} (kept apart)" for ids in self.same_text]
        lines += [
            f"  look-alikes {' ~ '.join(ids)}: differ only in case or Unicode form, so files named by prompt collide"
            for ids in self.look_alikes
        ]
        lines += [f"  renamed     {old!r} -> {new}" for old, new in self.renamed.items()]
        if self.ignored_keys:
            lines.append(f"  left out    {', '.join(self.ignored_keys)}: no place for them in a suite")
        lines += [f"  note        {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ImportedSuite:
    """A suite made from a prompt file, and how it was made."""

    suite: Suite
    report: ImportReport


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
