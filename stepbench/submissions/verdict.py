"""What a check found: one result per check, the badge that follows, and `verification.json` beside the run.

That file is none of the run's own: it is no part of `SHA256SUMS`, and one that is handed in is never believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stepbench import __version__
from stepbench.board.badges import BADGES
from stepbench.provenance import now
from stepbench.runs.folder import write_atomically
from stepbench.submissions.outcome import Check


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All checks of one submission.

    Attributes:
        run: Run id.
        sums: sha256 of the run's `SHA256SUMS`: the verdict is about exactly these files.
        checks: In the order in which they were made.
        rescored: What was computed again: samples, seed, tolerance, metrics, largest differences; empty if nothing.
        not_rescored: metric_id -> why its values were not computed again.
    """

    run: str
    sums: str
    checks: tuple[Check, ...]
    rescored: Mapping[str, Any] = field(default_factory=dict)
    not_rescored: Mapping[str, str] = field(default_factory=dict)

    @property
    def badge(self) -> str | None:
        """`self-reported`: the files agree with themselves. `reproduced`: scores computed again here agree, of every
        metric with a value per clip. `verified`: besides, somebody else made the run again and got the same, and there
        is a contamination statement. None: a check failed."""
        results = {check.name: check.result for check in self.checks}
        if "failed" in results.values():
            return None
        if results.get("rescore") != "passed" or results.get("metrics") != "passed":
            return BADGES[0]
        further = (results.get("remade"), results.get("statement"))
        return BADGES[2] if further == ("passed", "passed") else BADGES[1]

    def to_json(self) -> dict[str, Any]:
        """The verdict as `verification.json` holds it."""
        return {
            "kind": "stepbench verification",
            "schema": 1,
            "run_id": self.run,
            "badge": self.badge,
            "sha256sums": self.sums,
            "checked_at": now(),
            "stepbench": __version__,
            "checks": [asdict(check) for check in self.checks],
            "rescored": dict(self.rescored),
            "not_rescored": dict(self.not_rescored),
        }


def write_verdict(verdict: Verdict, path: Path) -> None:
    """Replace the file at `path` by the verdict.

    Raises:
        IncompleteError: It cannot be written.
    """
    write_atomically(path, json.dumps(verdict.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
