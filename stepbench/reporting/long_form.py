"""A report as data: CSV with one number per row, and JSON with everything but the clips."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from stepbench import __version__
from stepbench.reporting.model import Report
from stepbench.spreadsheet import guarded

SCHEMA = 1
"""Version of the JSON form."""

COLUMNS = (
    *(
        "kind",
        "run",
        "generator",
        "baseline",
        "metric",
        "metric_id",
        "direction",
        "unit",
        "cut",
        "group",
        "value",
        "low",
    ),
    *("high", "n", "n_planned", "n_scored", "n_failed", "n_refused", "coverage", "rank_low", "rank_high", "p"),
    *("p_adjusted", "wins", "ties", "losses", "detectable_effect", "verdict", "method", "suite_hash"),
)


def csv_text(report: Report) -> str:
    """Rows of two kinds: `mean` (of a run) and `difference` (run minus baseline); empty where missing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: guarded(value) for key, value in row.items()} for row in _rows(report))
    return text.getvalue()


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    hashes = {run.run: run.suite_hash for run in report.runs}
    for row in report.rows:
        facts = ("run", "metric", "metric_id", "direction", "unit", "cut", "group", "low", "high", "method")
        counts = ("n_planned", "n_scored", "n_failed", "n_refused", "coverage", "rank_low", "rank_high")
        yield {
            "kind": "mean",
            "generator": row.label,
            "value": row.mean,
            "n": row.n_units,
            "suite_hash": hashes[row.run],
            **{name: getattr(row, name) for name in (*facts, *counts)},
        }
    for pairing in report.pairings:
        grouped = [("all", "", row) for row in pairing.differences]
        grouped += [(cut, group, row) for cut, rows in pairing.by.items() for group, row in rows]
        for cut, group, row in grouped:
            facts = ("metric", "metric_id", "direction", "unit", "low", "high", "n", "p", "p_adjusted")
            counts = ("wins", "ties", "losses", "detectable_effect", "verdict")
            yield {
                "kind": "difference",
                "run": pairing.run,
                "generator": pairing.label,
                "baseline": report.runs[0].run,
                "cut": cut,
                "group": group,
                "value": row.difference,
                "coverage": min(row.coverage_baseline, row.coverage_run),
                "suite_hash": hashes[pairing.run],
                **{name: getattr(row, name) for name in (*facts, *counts)},
            }


def json_text(report: Report) -> str:
    """Every field of the report; of the examples the prompts and scores, without the clips."""
    record = asdict(report)
    for group in record["examples"]:
        for example in group["examples"]:
            for side in example["sides"]:
                del side["clip"], side["poster"]
    record = {"schema": SCHEMA, "stepbench": __version__, **record}
    return json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
