"""Who stands behind the numbers of a run: `verification.json` beside it, written by the check of a submission."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file

BADGES = ("self-reported", "reproduced", "verified")
"""From the least to the most that was checked; a run without a verdict is self-reported."""

VERDICT = "verification.json"


def badge_of(run: Path) -> str:
    """The badge of a run folder; a verdict that cannot be read, or is about other files, lends no trust."""
    try:
        verdict = json.loads((run / VERDICT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return BADGES[0]
    badge = verdict.get("badge") if isinstance(verdict, dict) else None
    return badge if badge in BADGES and _is_about(verdict, run) else BADGES[0]


def _is_about(verdict: Mapping[str, Any], run: Path) -> bool:
    """Whether the run's files are still those that were checked, where the verdict says which these were."""
    sums = run / "SHA256SUMS"
    return "sha256sums" not in verdict or (sums.is_file() and sha256_file(sums) == verdict["sha256sums"])
