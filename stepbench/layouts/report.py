"""What a scan of a folder found, for people and for programs."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from stepbench.layouts.manifest import HEADER_KEY, HEADER_VERSION

ScanStatus = Literal["found", "missing", "duplicate", "corrupt", "too_short", "stray"]
STATUSES: tuple[ScanStatus, ...] = ("found", "missing", "corrupt", "too_short", "duplicate", "stray")
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class ScanEntry:
    """One expected clip, or one file that is none of them.

    Attributes:
        status: `found`, `missing`, `corrupt` and `too_short` speak of an expected clip; `duplicate` of a second file
            for one that is already there; `stray` of a file that belongs to none.
        prompt_id: None for strays.
        seed: Sample index; None for strays.
        path: Relative to the scanned folder; None if missing.
        reason: Why the status is not `found`, or how a found file was matched if not by its exact name.
        conflict: A duplicate whose bytes differ from the file that was taken.
        frames: As decoded; fps, height and width likewise.
    """

    status: ScanStatus
    prompt_id: str | None = None
    seed: int | None = None
    text: str | None = None
    path: str | None = None
    reason: str = ""
    sha256: str | None = None
    conflict: bool = False
    frames: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None

    @property
    def planned(self) -> bool:
        """Whether the entry speaks of an expected clip."""
        return self.status not in ("duplicate", "stray")


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """A folder held against a suite.

    Attributes:
        entries: Expected clips in suite order, then duplicates, then strays.
        decoded: Whether every found clip was decoded to its end.
    """

    folder: Path
    layout: str
    suite: str
    suite_hash: str
    decoded: bool
    entries: tuple[ScanEntry, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Status -> number of entries, every status included."""
        counted = Counter(entry.status for entry in self.entries)
        return {status: counted[status] for status in STATUSES}

    @property
    def seeds(self) -> tuple[int, ...]:
        """The sample indices that were looked for, ascending."""
        return tuple(sorted({entry.seed for entry in self.entries if entry.planned and entry.seed is not None}))

    @property
    def complete(self) -> bool:
        """Whether every expected clip is there and readable, and no two different files claim to be the same one."""
        return not any(entry.conflict or (entry.planned and entry.status != "found") for entry in self.entries)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "folder": str(self.folder),
            "layout": self.layout,
            "suite": self.suite,
            "suite_hash": self.suite_hash,
            "decoded": self.decoded,
            "complete": self.complete,
            "counts": self.counts,
            "seeds": list(self.seeds),
            "entries": [asdict(entry) for entry in self.entries],
        }

    def text(self) -> str:
        """The report for people: counts, the mix of sizes, then what needs attention."""
        planned = [entry for entry in self.entries if entry.planned]
        prompts = len({entry.prompt_id for entry in planned})
        lines = [
            f"{self.folder} as {self.layout}, suite {self.suite}: {len(planned)} clips expected, {prompts} prompts, "
            f"sample indices {_ranges(self.seeds)}"
        ]
        lines += [f"  {status:<10}{count:>7}" for status, count in self.counts.items()]
        shapes = Counter(
            f"{entry.width}x{entry.height}, {entry.frames} frames, {entry.fps:g} fps"
            for entry in planned
            if entry.status == "found" and entry.fps is not None
        )
        lines += [f"  {count} clips of {shape}" for shape, count in shapes.most_common(SHOWN)]
        if not self.decoded:
            lines.append("  found clips were not decoded, so one that is cut off may be among them")
        for status in STATUSES:
            lines += _listed(status, [entry for entry in self.entries if entry.status == status and entry.reason])
        return "\n".join(lines)

    def write_manifest(self, path: str | Path, *, name: str | None = None) -> Path:
        """Write one row per expected clip, which the generator `folder:` and the layout `manifest` read.

        Args:
            path: The `manifest.jsonl` to write. Clips below its folder are named relative to it, others by full path.
            name: Name of the model that made the clips; becomes the first line.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        header = {HEADER_KEY: HEADER_VERSION, "name": name, "suite": self.suite, "suite_hash": self.suite_hash}
        rows: list[dict[str, Any]] = [header] if name else []
        rows += [
            {
                "prompt_id": entry.prompt_id,
                "seed": entry.seed,
                "path": None if entry.path is None else _relative(self.folder / entry.path, path.parent),
                "sha256": entry.sha256,
                "status": entry.status,
                "reason": entry.reason,
                "prompt": entry.text,
            }
            for entry in self.entries
            if entry.planned
        ]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path


def _relative(clip: Path, folder: Path) -> str:
    # Not resolve(): a linked clip should keep the name it has in the folder.
    full, base = Path(os.path.abspath(clip)), Path(os.path.abspath(folder))
    return full.relative_to(base).as_posix() if full.is_relative_to(base) else str(full)


def _ranges(numbers: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs) or "none"


def _listed(status: str, entries: list[ScanEntry]) -> list[str]:
    lines = []
    for entry in entries[:SHOWN]:
        name = entry.path if entry.prompt_id is None else f"{entry.prompt_id} sample {entry.seed}"
        where = f" ({entry.path})" if entry.prompt_id and entry.path else ""
        lines.append(f"  {status}: {name}{where}: {entry.reason}")
    if len(entries) > SHOWN:
        lines.append(f"  {status}: ... and {len(entries) - SHOWN} more")
    return lines
