"""Who stands behind the numbers of a run: `verification.json` beside it, written by the check of a submission."""

from __future__ import annotations

import json
from pathlib import Path

BADGES = ("self-reported", "reproduced", "verified")
"""From the least to the most that was checked; a run without a verdict is self-reported."""

VERDICT = "verification.json"


def badge_of(run: Path) -> str:
    """The badge of a run folder; a verdict that cannot be read lends no trust."""
    try:
        verdict = json.loads((run / VERDICT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return BADGES[0]
    badge = verdict.get("badge") if isinstance(verdict, dict) else None
    return badge if badge in BADGES else BADGES[0]
