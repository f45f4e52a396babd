"""From run folders to a report: opened, checked, compared with the first run, and put in words."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stepbench.board.run_checks import check_cards, check_texts
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.reporting.clips import DEFAULT_BUDGET_MB, ClipShelf
from stepbench.reporting.costs import cost_of
from stepbench.reporting.examples import choose, count_clips, lead_metric, with_clips
from stepbench.reporting.failures import failures_of
from stepbench.reporting.headline import summary_of, title_of, warnings_of
from stepbench.reporting.model import ExampleGroup, MetricRow, Pairing, Report
from stepbench.reporting.pairings import LEVEL, pair
from stepbench.reporting.recipe import run_facts
from stepbench.reporting.values import metric_rows, set_values
from stepbench.reporting.verdict import listed
from stepbench.runs.run import open_run

if TYPE_CHECKING:
    from stepbench.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class ExampleOptions:
    """Which clips a page shows, and how.

    Attributes:
        count: Prompts per rule (most different, best, worst); 0 for none.
        lead: Name or id of the metric by which they are chosen; the one with the clearest difference unless given.
        videos: `embed`, `link` or `none`.
        video_budget_mb: Million bytes of video that the page may embed.
        page: The page that is being written, for links to clips.
    """

    count: int = 3
    lead: str | None = None
    videos: str = "embed"
    video_budget_mb: float = DEFAULT_BUDGET_MB
    page: Path | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise UsageError(f"examples must be 0 or more, got {self.count}")


def build_report(
    runs: Sequence[str | Path | Run],
    *,
    metrics: Sequence[str] | None = None,
    allow_incomparable: str | None = None,
    title: str | None = None,
    examples: ExampleOptions | None = None,
) -> Report:
    """Read runs and compare every further one with the first.

    Args:
        runs: Run folders or opened runs, the baseline first.
        metrics: Names or ids; None for all that any run has.
        allow_incomparable: Why runs that differ in a deciding field are shown together all the same.
        title: Head of the report; made from the runs unless given.
        examples: Which clips to show and how; none unless given, as most formats hold no clips.

    Raises:
        UsageError: No run, a run given twice, or an option out of range.
        RunFolderError: A folder that holds no run, or a broken one.
        NotComparableError: Runs differ in a field that decides what the numbers mean.
        NothingSelectedError: No run has a score, or a metric was scored in none.
    """
    opened = _opened(runs)
    labels = _labels(opened)
    cards = _cards(opened, metrics)
    first, *others = opened
    pairings = [
        pair(opened[first], opened[name], name, labels[name], labels[first], metrics, allow_incomparable)
        for name in others
    ]
    comparable = [first, *(pairing.run for pairing in pairings if not pairing.incomparable)]
    rows = metric_rows(opened, labels, cards, comparable)
    shown = _examples(opened, labels, cards, rows, pairings, examples) if examples else ()
    facts = tuple(run_facts(name, run, labels[name], number) for number, (name, run) in enumerate(opened.items()))
    return Report(
        title=title or title_of(facts),
        summary=summary_of(facts, cards, rows, pairings),
        warnings=warnings_of(facts, cards, rows, pairings),
        level=LEVEL,
        runs=facts,
        cards=cards,
        rows=rows,
        pairings=tuple(pairings),
        sets=tuple(value for name, run in opened.items() for value in set_values(name, run, labels[name], cards)),
        costs=tuple(cost_of(name, run, labels[name]) for name, run in opened.items()),
        failures=tuple(row for name, run in opened.items() for row in failures_of(name, run, labels[name], cards)),
        examples=shown,
        command=_command(opened, metrics, allow_incomparable),
    )


def _opened(runs: Sequence[str | Path | Run]) -> dict[str, Run]:
    """Name -> run. The name is the run id, or the folder where two runs share an id."""
    if not runs:
        raise UsageError("need a run or more, got none", hint="stepbench report runs/RUN -o report.html")
    opened = [open_run(run) if isinstance(run, str | Path) else run for run in runs]
    count = Counter(run.name for run in opened)
    named: dict[str, Run] = {}
    for run in opened:
        name = run.name if count[run.name] == 1 else run.folder.as_posix()
        if name in named:
            raise UsageError(f"run {name} is given twice", hint="name every run once, the baseline first")
        check_cards(run.metric_cards)
        check_texts(run.samples())
        named[name] = run
    return named


def _labels(runs: Mapping[str, Run]) -> dict[str, str]:
    count = Counter(run.generator_name for run in runs.values())
    return {
        name: run.generator_name if count[run.generator_name] == 1 else f"{run.generator_name} ({name})"
        for name, run in runs.items()
    }


def _cards(runs: Mapping[str, Run], metrics: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """metric id -> card, of the metrics that are wanted and that any run was scored with."""
    cards = {key: card for run in runs.values() for key, card in run.metric_cards.items()}
    if metrics is not None:
        known = {*cards, *(card["name"] for card in cards.values())}
        unknown = [name for name in metrics if name not in known]
        if unknown:
            scored = listed(sorted({card["name"] for card in cards.values()}))
            raise NothingSelectedError(f"metric {unknown[0]!r} was scored in no run", hint=f"scored: {scored}")
        cards = {key: card for key, card in cards.items() if key in metrics or card["name"] in metrics}
    if not cards:
        raise NothingSelectedError(
            f"nothing to report: {listed(list(runs))} {'has' if len(runs) == 1 else 'have'} no scores",
            hint=f"stepbench score {next(iter(runs.values())).folder} -m offline",
        )
    return cards


def _examples(
    runs: Mapping[str, Run],
    labels: Mapping[str, str],
    cards: Mapping[str, Mapping[str, Any]],
    rows: Sequence[MetricRow],
    pairings: Sequence[Pairing],
    options: ExampleOptions,
) -> tuple[ExampleGroup, ...]:
    scored = {key: sum(row.n_scored for row in rows if row.metric_id == key and row.cut == "all") for key in cards}
    metric_id = _lead(options.lead, cards, scored) or lead_metric(cards, pairings, scored)
    if metric_id is None or not options.count:
        return ()
    table = pd.concat([_scores(run, metric_id).rename(name) for name, run in runs.items()], axis=1)
    units = {key: prompt.pair_id or key for run in runs.values() for key, prompt in run.prompts.items()}
    baseline = next(iter(runs)) if len(runs) > 1 else None
    choices = choose(table, units, cards[metric_id], baseline, options.count)
    clips = count_clips(choices, len(runs))
    shelf = ClipShelf(options.videos, options.page, count=clips, budget_mb=options.video_budget_mb)
    shown = [key for key, card in cards.items() if card.get("level") != "set"]
    return with_clips(choices, runs, labels, shown, lambda run, sample: shelf.show(run.folder, sample))


def _lead(wanted: str | None, cards: Mapping[str, Mapping[str, Any]], scored: Mapping[str, int]) -> str | None:
    if wanted is None:
        return None
    for key, card in cards.items():
        if wanted in (key, card["name"]) and card.get("level") != "set" and scored[key]:
            return key
    known = listed([card["name"] for key, card in cards.items() if card.get("level") != "set" and scored[key]])
    raise UsageError(f"no clip has a score of {wanted!r} to choose examples by", hint=f"choose from {known}")


def _scores(run: Run, metric_id: str) -> pd.Series:
    """(prompt id, seed) -> score."""
    scores = run.scores()
    good = scores.loc[(scores.metric_id == metric_id) & (scores.status == "ok")]
    return good.set_index(["prompt_id", "seed"])["value"]


def _command(runs: Mapping[str, Run], metrics: Sequence[str] | None, reason: str | None) -> str:
    words = ["stepbench", "report", *(f"runs/{run.name}" for run in runs.values())]
    words += ["-m", ",".join(metrics)] if metrics else []
    words += ["--allow-incomparable", reason] if reason else []
    return shlex.join([*words, "-o", "report.html"])
