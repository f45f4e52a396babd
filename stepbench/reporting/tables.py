"""The tables of means and differences in words and digits, the same for every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepbench.reporting.cells import interval_text, p_text, shown, signed, spread_of
from stepbench.reporting.model import Difference, MetricRow, Pairing, Report
from stepbench.reporting.verdict import OPEN, outcome, verdict_words
from stepbench.wording import ARROWS, DASH, metric_titles, rank


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
        shown(row.mean, spread_of(row.low, row.high)),
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
    spread = spread_of(row.low, row.high)
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
