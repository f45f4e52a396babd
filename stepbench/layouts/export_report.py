"""What an export wrote and what it could not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ExportStatus = Literal["exported", "not_exportable", "no_clip"]
STATUSES: tuple[ExportStatus, ...] = ("exported", "not_exportable", "no_clip")
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class ExportRow:
    """One planned sample.

    Attributes:
        status: `exported`; `not_exportable` where the layout has no name for it; `no_clip` where the run has none.
        index: Its number in the layout, counted from 0 over the run's seeds.
        file: Relative to the destination.
        source: `master` as scored, or `preview`, the lossy H.264 copy.
        reason: Why it was not exported.
    """

    prompt_id: str
    seed: int
    index: int
    status: ExportStatus
    file: str | None = None
    source: Literal["master", "preview"] | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """All samples of a run, and how their clips were named.

    Attributes:
        rows: One per planned sample, in plan order.
        seeds: Seed -> index in the layout.
        notes: What a reader must know before comparing scores.
    """

    destination: Path
    layout: str
    rows: tuple[ExportRow, ...]
    seeds: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Status -> number of samples, every status included."""
        counted = Counter(row.status for row in self.rows)
        return {status: counted[status] for status in STATUSES}

    @property
    def complete(self) -> bool:
        """Whether every planned sample was exported."""
        return all(row.status == "exported" for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "destination": str(self.destination),
            "layout": self.layout,
            "complete": self.complete,
            "counts": self.counts,
            "seeds": {str(seed): index for seed, index in self.seeds.items()},
            "notes": list(self.notes),
            "rows": [asdict(row) for row in self.rows],
        }

    def text(self) -> str:
        """The report for people."""
        lines = [f"{self.destination} as {self.layout}: {len(self.rows)} samples planned"]
        lines += [f"  {status:<15}{count:>7}" for status, count in self.counts.items()]
        lines += [f"  note: {note}" for note in self.notes]
        left_out = [row for row in self.rows if row.status != "exported"]
        lines += [f"  {row.status}: {row.prompt_id} seed {row.seed}: {row.reason}" for row in left_out[:SHOWN]]
        if len(left_out) > SHOWN:
            lines.append(f"  ... and {len(left_out) - SHOWN} more")
        return "\n".join(lines)
