"""A report as one HTML page that asks for nothing: styles, plots, script and clips are inside; texts are escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import itemgetter

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stepbench import __version__
from stepbench.reporting.cells import shown
from stepbench.reporting.model import MetricRow, Pairing, Report
from stepbench.reporting.plots import better, cost_plot, interval_plot, legend_marker
from stepbench.reporting.run_tables import cost_table, failure_table, set_table
from stepbench.reporting.tables import Table, difference_table, group_table, metric_head, metric_table
from stepbench.wording import metric_titles

MOST_FAILURES = 100
CUTS = ("all", "category", "language")


def html_page(report: Report) -> str:
    """The whole page. Equal reports give equal bytes."""
    style, script = _asset("report.css"), _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    numbers = {run.run: run.number for run in report.runs}
    titles = metric_titles(report.cards, list(report.cards))
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            style=Markup(style),
            script=Markup(script),
            script_hash=digest,
            version=__version__,
            titles=titles,
            better=better,
            shown=shown,
            markers={run.run: legend_marker(run.number) for run in report.runs},
            several=len(report.runs) > 1,
            metrics=metric_table(report),
            comparisons=[
                (pairing, difference_table(report, [pairing]), _group_tables(report, pairing))
                for pairing in report.pairings
            ],
            plots=_plots(report, numbers),
            cost_plots=_cost_plots(report, numbers),
            costs=cost_table(report.costs),
            sets=set_table(report.sets) if report.sets else None,
            failures=failure_table(report.failures, MOST_FAILURES) if report.failures else None,
            comparability=comparability(report),
        )
    )


def _group_tables(report: Report, pairing: Pairing) -> list[Table]:
    return [group_table(report, pairing, by) for by in ("category", "language") if pairing.by[by]]


def _plots(report: Report, numbers: Mapping[str, int]) -> list[tuple[str, str, list[tuple[str, Markup]]]]:
    """(cut, heading, figures) for all prompts, by category and by language; a cut with one group shows nothing new."""
    headings = {"all": "All prompts", "category": "By category", "language": "By language"}
    plots = []
    for cut in CUTS:
        if cut != "all" and len({row.group for row in report.rows if row.cut == cut}) < 2:
            continue
        figures = [
            (metric_head(report, key), interval_plot(report.cards[key], rows, numbers, cut))
            for key, rows in _by_metric(report)
        ]
        if figures:
            plots.append((cut, headings[cut], figures))
    return plots


def _cost_plots(report: Report, numbers: Mapping[str, int]) -> list[tuple[str, Markup]]:
    drawn = [
        (metric_head(report, key), cost_plot(report.cards[key], rows, report.costs, numbers))
        for key, rows in _by_metric(report)
        if report.cards[key]["direction"] != "neutral"
    ]
    return [(head, plot) for head, plot in drawn if plot is not None]


def _by_metric(report: Report) -> list[tuple[str, Sequence[MetricRow]]]:
    """Ids of the metrics that have a value, each with its rows."""
    found = [(key, [row for row in report.rows if row.metric_id == key]) for key in report.cards]
    return [(key, rows) for key, rows in found if any(row.mean is not None for row in rows)]


def comparability(report: Report) -> list[tuple[str, list[str], bool]]:
    """(field, value of every run, whether they agree), for the fields that decide what the numbers mean, and others."""
    runs = report.runs
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    fields: list[tuple[str, list[str]]] = [
        ("suite", [f"{run.suite} {run.suite_version}" for run in runs]),
        ("suite hash", [run.suite_hash[:16] for run in runs]),
        ("seeds", [", ".join(map(str, run.seeds)) for run in runs]),
        *((f"setting {key}", [str(run.settings.get(key, "")) for run in runs]) for key in keys),
        ("reference", [run.reference or "none" for run in runs]),
        ("plan hash", [run.plan_hash[:16] for run in runs]),
        ("stepbench", [run.environment.get("stepbench", "not recorded") for run in runs]),
        ("machine", [run.environment.get("CPU", "not recorded") for run in runs]),
        ("GPU", [run.environment.get("GPU", "not recorded") for run in runs]),
    ]
    return [(name, values, len(set(values)) == 1) for name, values in fields]


@cache
def _asset(name: str) -> str:
    return (files("stepbench.reporting") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("stepbench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["groupby_order"] = _runs_of_rows
    environment.filters["together"] = _together
    return environment


def _together(title: str) -> str:
    """A title whose arrow stays on its line."""
    return re.sub(" ([↑↓])", "\u00a0\\1", title)


def _runs_of_rows(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """(head, rows) of neighbouring rows that share their first cell."""
    return [(head, list(block)) for head, block in groupby(rows, key=itemgetter(0))]
