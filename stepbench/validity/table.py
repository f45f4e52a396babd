"""The answers of all metrics as a table: one row per metric, one column per corruption."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from stepbench.validity.graded import CORRUPTIONS
from stepbench.validity.selftest import Answer

_ARROWS = {"up": "↑", "down": "↓", "same": "=", "mixed": "~", "undefined": "?"}

LEGEND = (
    "↑ and ↓: the mean goes up or down at every step of the corruption; =: it stays; ~: neither; ?: undefined there. "
    "The number is the mean at the strongest step. ✓ as the metric promises, ✗ not as it promises; without a mark it "
    "promises nothing."
)


def rows_of(answers: Iterable[Answer]) -> list[dict[str, str]]:
    """One row per metric: `metric`, `clean`, and a cell per corruption such as `↓ 0.21 ✓`."""
    rows: dict[str, dict[str, str]] = {}
    for answer in answers:
        row = rows.setdefault(answer.metric, {"metric": answer.metric, "clean": _number(answer.clean)})
        row[answer.corruption] = _cell(answer)
    return [{**row, **{name: row.get(name, "") for name in CORRUPTIONS}} for row in rows.values()]


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """The table in Markdown."""
    columns = ["metric", "clean", *CORRUPTIONS]
    lines = [columns, ["---"] * len(columns), *([row[name] for name in columns] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(answer: Answer) -> str:
    mark = {"ok": " ✓", "failed": f" ✗ {_ARROWS.get(answer.promised or '', '')} promised", "measured": ""}
    return f"{_ARROWS[answer.observed]} {_number(answer.means[-1])}{mark[answer.verdict]}".replace("  ", " ")


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"
