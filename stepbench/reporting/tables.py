"""The tables of a report in words and digits, the same for every format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan

from stepbench.reporting.model import Cost, Difference, Failure, MetricRow, Pairing, Report, SetValue
from stepbench.reporting.verdict import OPEN, outcome, verdict_words
from stepbench.wording import ARROWS, DASH, interval, metric_titles, number, rank

PLACES = 3
"""Samples spelled out behind one reason; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text, row by row.

    Attributes:
        caption: What the table shows.
        columns: Heads of the columns.
        numeric: Columns that are set flush right.
        rows: Cells; the first is the row's head.
        grouped: Rows with the same first cell belong together.
        tones: One word per row (`better`, `worse` ...) for colouring, or empty.
        note: What a reader must know to read it right.
    """

    caption: str
    columns: tuple[str, ...]
    numeric: frozenset[str]
    rows: tuple[tuple[str, ...], ...]
    grouped: bool = False
    tones: tuple[str, ...] = ()
    note: str = ""

    def without(self, *columns: str) -> Table:
        """The table with fewer columns, for narrow pages."""
        kept = [place for place, column in enumerate(self.columns) if column not in columns]
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[place] for place in kept), rows=rows)


def metric_table(report: Report, *, units: bool = True) -> Table:
    """Every metric of every run over all prompts, and runs without a score too; units behind the titles if wanted."""
    found = {(row.metric_id, row.run): row for row in report.overall()}
    rows = []
    for metric_id in report.cards:
        head = metric_head(report, metric_id) if units else metric_title_of(report, metric_id)
        for run in report.runs:
            row = found.get((metric_id, run.run))
            planned = run.samples["planned"]
            cells = _mean_cells(row) if row else (DASH, DASH, "0", f"0/{planned}", DASH)
            rows.append((head, run.label, *cells))
    return Table(
        caption="Metrics of every run",
        columns=("Metric", "Run", "Mean", "95 % interval", "Prompts", "Scored", "Rank"),
        numeric=frozenset({"Mean", "95 % interval", "Prompts", "Scored", "Rank"}),
        rows=tuple(rows),
        grouped=len(report.runs) > 1,
        note=METRIC_NOTE,
    )


def metric_head(report: Report, metric_id: str) -> str:
    """The metric's title with its arrow and unit."""
    title, unit = metric_title_of(report, metric_id), report.cards[metric_id]["unit"]
    return f"{title} ({unit})" if unit else title


def metric_title_of(report: Report, metric_id: str) -> str:
    """The metric's title with its arrow; its id stands behind it where two metrics share a title."""
    return metric_titles(report.cards, list(report.cards))[metric_id]


METRIC_NOTE = (
    "Seeds of a prompt are averaged, translations of one prompt count as one prompt; the interval is a 95 % t interval "
    "over prompts, or the bootstrap interval of a metric of all clips together. Scored counts against the plan: what "
    "is missing is missing, never zero. A rank interval holds every rank that the evidence leaves open among "
    "comparable runs (paired t tests, Holm over the pairs of runs of one metric)."
)

DIFFERENCE_NOTE = (
    "Difference is run minus baseline over the prompts and seeds that both have. p: sign-flip permutation test, or the "
    "bootstrap's for a metric of all clips together; adjusted by Holm over the metrics of this comparison. W/T/L: "
    "prompts won, tied and lost by the run. Detectable: the smallest true difference that would be found with 80 % "
    "power."
)

GROUP_NOTE = "For exploring: p is adjusted by Benjamini-Hochberg over all rows of this table."


def _mean_cells(row: MetricRow) -> tuple[str, ...]:
    return (
        shown(row.mean, _spread(row.low, row.high)),
        interval_text(row.low, row.high),
        str(row.n_units),
        f"{row.n_scored}/{row.n_planned}",
        rank(row.rank_low, row.rank_high) if row.rank_low is not None and row.rank_high is not None else DASH,
    )


def difference_table(report: Report, pairings: Sequence[Pairing]) -> Table:
    """Paired differences; with several pairings, one block per run."""
    several = len(pairings) > 1
    rows, tones = [], []
    for pairing in pairings:
        for row in pairing.differences:
            rows.append((*([pairing.label] if several else []), *_difference_cells(report, row)))
            tones.append(tone(row))
    runs = "every run" if several else pairings[0].label
    return Table(
        caption=f"{runs} against the baseline {report.runs[0].label}",
        columns=(*(["Run"] if several else []), *_DIFFERENCE_COLUMNS),
        numeric=_DIFFERENCE_NUMERIC,
        rows=tuple(rows),
        grouped=several,
        tones=tuple(tones),
        note=DIFFERENCE_NOTE,
    )


def group_table(report: Report, pairing: Pairing, by: str) -> Table:
    """Paired differences by category or language."""
    rows = pairing.by[by]
    return Table(
        caption=f"{pairing.label} against the baseline by {by}",
        columns=(by.capitalize(), *_DIFFERENCE_COLUMNS),
        numeric=_DIFFERENCE_NUMERIC,
        rows=tuple((group, *_difference_cells(report, row)) for group, row in rows),
        tones=tuple(tone(row) for _, row in rows),
        note=GROUP_NOTE,
    )


# What decides stands first: a phone shows four columns, and the rest by scrolling.
_DIFFERENCE_COLUMNS = (
    *("Metric", "Verdict", "Difference", "95 % interval", "p adj.", "W/T/L", "Prompts"),
    *("Baseline", "Run mean", "Detectable", "p"),
)
_DIFFERENCE_NUMERIC = frozenset(_DIFFERENCE_COLUMNS) - {"Metric", "Verdict"}


def _difference_cells(report: Report, row: Difference) -> tuple[str, ...]:
    # Runs that were compared by force may have scored a metric under two ids, and then the row has both.
    title = metric_titles(report.cards, list(report.cards)).get(
        row.metric_id, f"{row.metric} {ARROWS[row.direction]}".rstrip()
    )
    spread = _spread(row.low, row.high)
    counted = row.wins + row.ties + row.losses
    return (
        title,
        verdict_words(row),
        signed(row.difference, spread),
        interval_text(row.low, row.high),
        p_text(row.p_adjusted),
        f"{row.wins}/{row.ties}/{row.losses}" if counted else DASH,
        str(row.n),
        shown(row.mean_baseline, spread),
        shown(row.mean_run, spread),
        shown(row.detectable_effect, digits=2),
        p_text(row.p),
    )


def tone(row: Difference) -> str:
    """One word for the colour of a verdict: better, worse, changed, open, or empty without scores."""
    word = outcome(row)
    return "open" if word == OPEN else word if word in ("better", "worse", "changed") else ""


def cost_table(costs: Sequence[Cost]) -> Table:
    """Seconds in all and by stage, memory and energy; columns that no run has are left out."""
    stages = list(dict.fromkeys(stage for cost in costs for stage in cost.stages))
    rows = []
    for cost in costs:
        rows.append(
            (
                cost.label,
                str(cost.n),
                shown(cost.seconds, digits=3),
                interval_text(cost.low, cost.high),
                shown(cost.median, digits=3),
                *(shown(cost.stages.get(stage), digits=2) for stage in stages),
                *([_memory(cost.peak_memory_bytes)] if _any(costs, "peak_memory_bytes") else []),
                *([shown(cost.joules, digits=3)] if _any(costs, "joules") else []),
            )
        )
    columns = (
        *("Run", "Clips", "Seconds per clip", "95 % interval", "Median"),
        *(f"{stage.replace('_', ' ')} (s)" for stage in stages),
        *(["Peak memory"] if _any(costs, "peak_memory_bytes") else []),
        *(["Joules per clip"] if _any(costs, "joules") else []),
    )
    return Table(
        caption="What a clip costs to make",
        columns=columns,
        numeric=frozenset(columns[1:]),
        rows=tuple(rows),
        note="Mean seconds per clip that was made, storing included, and by stage as the generator reports them; "
        "stages may lie within one another. Seconds and memory depend on the machine: compare them only where the "
        "recipes name the same one.",
    )


def _any(costs: Sequence[Cost], field: str) -> bool:
    return any(getattr(cost, field) is not None for cost in costs)


def _memory(value: int | None) -> str:
    return DASH if value is None else f"{value / 2**30:.2f} GiB"


def set_table(values: Sequence[SetValue]) -> Table:
    """Metrics of all clips together, with the floor that real clips would have, and the caution that goes with them."""
    rows = tuple(
        (
            f"{value.metric} {ARROWS[value.direction]}".rstrip(),
            value.label,
            shown(value.value, _spread(value.low, value.high)),
            interval_text(value.low, value.high),
            f"{value.n} / {value.n_reference}",
            f"{shown(value.floor)} (at {value.floor_n})" if value.floor_n else DASH,
            value.error or value.caution or "none",
        )
        for value in values
    )
    return Table(
        caption="Metrics of all clips together",
        columns=("Metric", "Run", "Value", "95 % interval", "Clips / reference", "Floor (at clips)", "Caution"),
        numeric=frozenset({"Value", "95 % interval", "Clips / reference", "Floor (at clips)"}),
        rows=rows,
        grouped=len(rows) > 1,
        note="The floor is the distance between two disjoint halves of the real clips: no model can be told from real "
        "below it. Values at unequal numbers of clips are not comparable.",
    )


def failure_table(failures: Iterable[Failure], most: int) -> Table:
    """What is missing, and why, one row per reason; the first so many."""
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for row in failures:
        alike.setdefault((row.label, row.what, row.outcome, row.error), []).append(row.where)
    rows = [(label, _places(where), *rest) for (label, *rest), where in alike.items()]
    left = len(rows) - most
    return Table(
        caption="Missing samples and scores",
        columns=("Run", "Sample", "What", "Outcome", "Reason"),
        numeric=frozenset(),
        rows=tuple(rows[:most]),
        note=f"{left} more are not listed: stepbench show RUN lists them all." if left > 0 else "",
    )


def _places(where: Sequence[str]) -> str:
    rest = f" and {len(where) - PLACES} more" if len(where) > PLACES else ""
    return ", ".join(where[:PLACES]) + rest


def shown(value: float | None, spread: float | None = None, *, digits: int | None = None) -> str:
    """A number, or a dash where there is none; `digits` asks for so many significant ones."""
    if value is None:
        return DASH
    return f"{float(f'{value:.{digits}g}'):g}" if digits else number(value, spread)


def signed(value: float | None, spread: float | None) -> str:
    """A difference with its sign."""
    text = shown(value, spread)
    return f"+{text}" if value is not None and value > 0 else text


def interval_text(low: float | None, high: float | None) -> str:
    """`[low, high]`, or a dash."""
    return interval(nan if low is None else low, nan if high is None else high)


def p_text(value: float | None) -> str:
    """A p value in two digits; never 0, which no test can give."""
    if value is None:
        return DASH
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def _spread(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else (high - low) / 2
