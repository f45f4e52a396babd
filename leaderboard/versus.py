"""Paired differences as the compare page shows them: turned towards a baseline, and as a matrix. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stepbench.wording import interval, number

_TURNED = {"a better": "b better", "b better": "a better", "a higher": "b higher", "b higher": "a higher"}


def oriented(pairs: pd.DataFrame, baseline: str, other: str) -> pd.DataFrame:
    """The rows of two runs with the baseline as side a: differences are other - baseline, wins are the other's.

    Args:
        pairs: As `BoardData.pairs`: each two runs stand there once, in either order.
        baseline: Name of a run.
        other: Name of another.
    """
    straight = pairs.loc[(pairs.run_a == baseline) & (pairs.run_b == other)]
    if not straight.empty:
        return straight
    rows = pairs.loc[(pairs.run_a == other) & (pairs.run_b == baseline)]
    return rows.assign(
        run_a=baseline,
        run_b=other,
        mean_a=rows.mean_b,
        mean_b=rows.mean_a,
        difference=-rows.difference,
        low=-rows.high,
        high=-rows.low,
        wins=rows.losses,
        losses=rows.wins,
        verdict=rows.verdict.replace(_TURNED),
    )


def against_baseline(pairs: pd.DataFrame, baseline: str, others: Sequence[str]) -> pd.DataFrame:
    """The rows of a baseline and each of several runs, as `oriented` gives them."""
    frames = [oriented(pairs, baseline, other) for other in others]
    return pd.concat(frames, ignore_index=True) if frames else pairs.head(0)


def difference_texts(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `oriented` with texts for people: difference_text, interval, record (wins-ties-losses), p_text."""
    half = (rows.high - rows.low) / 2
    return rows.assign(
        difference_text=[number(value, spread) for value, spread in zip(rows.difference, half, strict=True)],
        interval=[interval(*ends) for ends in zip(rows.low, rows.high, strict=True)],
        record=[_record(row) for row in rows.to_dict(orient="records")],
        p_text=[p_text(p) for p in rows.p_adjusted],
    )


def line_names(rows: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """What each row of `against_baseline` is called in a chart: the group first, since charts cut long names short."""
    alone = rows.run_b.nunique() == 1
    return [
        group if group and alone else f"{group} · {labels[run]}" if group else labels[run]
        for run, group in zip(rows.run_b, rows["group"], strict=True)
    ]


def head_to_head(pairs: pd.DataFrame, runs: Sequence[str], metric_id: str, labels: Mapping[str, str]) -> pd.DataFrame:
    """A matrix of texts: how the run of the row fared against the run of the column, over all prompts.

    A cell holds wins-ties-losses by prompt and the p of the difference, Holm-corrected over the metrics of the pair.
    """
    chosen = pairs.loc[(pairs.metric_id == metric_id) & (pairs.cut == "all")]
    cells = {row: {column: _cell(chosen, row, column) for column in runs} for row in runs}
    frame = pd.DataFrame(cells).T.loc[list(runs), list(runs)]
    names = [labels[run] for run in runs]
    return frame.set_axis(names, axis=0).set_axis(names, axis=1)


def p_text(p: float) -> str:
    """A p value in two digits; never 0, which no test can give."""
    if p is None or math.isnan(p):
        return "–"
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def _cell(rows: pd.DataFrame, row: str, column: str) -> str:
    if row == column:
        return ""
    found = oriented(rows, column, row)
    if found.empty:
        return "–"
    first = found.iloc[0].to_dict()
    return f"{_record(first)} (p {p_text(first['p_adjusted'])})"


def _record(row: Mapping[str, Any]) -> str:
    counts = [row[name] for name in ("wins", "ties", "losses")]
    return "–" if any(pd.isna(count) for count in counts) else "-".join(f"{count:.0f}" for count in counts)
