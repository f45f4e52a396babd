"""Verdicts of `stepbench gate --out FILE`, gathered from a folder so that the board can show them over time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.wording import moment

FOLDER = "gates"
"""Where verdicts lie inside a folder of runs, unless the build is told another place."""

VERDICTS = ("pass", "inconclusive", "incomplete", "regression")
_METRIC_FIELDS = (
    *("metric", "metric_id", "against", "unit", "n", "mean_reference", "mean_candidate", "difference", "low", "high"),
    *("margin", "p", "n_needed", "verdict", "reasons"),
)


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What lay in a folder of verdicts.

    Attributes:
        verdicts: The newest last; each as the gate wrote it, shortened to what the pages show.
        broken: File name -> why it was left out.
    """

    verdicts: tuple[dict[str, Any], ...]
    broken: dict[str, str]


def read_gates(folder: Path) -> Gates:
    """Read every `*.json` of a folder; a missing folder holds nothing."""
    verdicts: list[dict[str, Any]] = []
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            verdicts.append(_shortened(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError, KeyError) as error:
            broken[path.name] = f"no verdict of a gate: {type(error).__name__}: {error}"
    return Gates(verdicts=tuple(sorted(verdicts, key=lambda one: one["checked_at"])), broken=broken)


def last_verdicts(gates: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Run name -> verdict of the last gate in which it was the candidate; the newest gate stands last."""
    return {gate["candidate"]["run"]: gate["verdict"] for gate in gates}


def gate_rows(
    gates: Sequence[Mapping[str, Any]], suite: str, said: Callable[[str], str], titles: Mapping[str, str]
) -> list[dict[str, str]]:
    """The verdicts on a suite for people, the newest first.

    Args:
        gates: As `Board.gates`.
        suite: Name of the suite.
        said: Words a verdict for the reader.
        titles: Metric name -> what it is called.

    Returns:
        Rows of checked_at, verdict, said (the verdict in words), candidate, baseline, metrics and reasons.
    """
    return [
        {
            "checked_at": moment(gate["checked_at"]),
            "verdict": gate["verdict"],
            "said": said(gate["verdict"]),
            "candidate": gate["candidate"]["run"],
            "baseline": gate["baseline"]["run"],
            "metrics": ", ".join(
                f"{titles.get(row['metric'], row['metric'])}: {said(row['verdict'])}" for row in gate["metrics"]
            ),
            "reasons": "; ".join(
                reason for row in gate["metrics"] if row["verdict"] != "pass" for reason in row["reasons"]
            ),
        }
        for gate in reversed(gates)
        if gate["suite"] == suite
    ]


def _shortened(record: Mapping[str, Any]) -> dict[str, Any]:
    if record["verdict"] not in VERDICTS:
        raise ValueError(f"verdict {record['verdict']!r} is none of {', '.join(VERDICTS)}")
    return {
        "checked_at": str(record["checked_at"]),
        "verdict": record["verdict"],
        "suite": str(record["suite"]["name"]),
        "candidate": _side(record["candidate"]),
        "baseline": _side(record["baseline"]),
        "metrics": [{name: row[name] for name in _METRIC_FIELDS} for row in record["metrics"]],
        "reason": record["reason"],
        "notes": [str(note) for note in record["notes"]],
    }


def _side(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(record[name]) for name in ("run", "generator", "created_at")}
