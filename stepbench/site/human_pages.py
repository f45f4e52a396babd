"""One page per study: ratings from votes, head to head, 1 to 5 ratings, agreement of people and of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from stepbench.board import vote_tables
from stepbench.board.verdict_words import say
from stepbench.site.drawings import intervals
from stepbench.site.render import Renderer
from stepbench.wording import metric_title

SAID = ("dimension", "judgement", "verdict")
"""Columns whose words are a program's own."""


def human_pages(page: Renderer) -> Iterator[tuple[str, str]]:
    """`human.html` for the first study, `human-1.html` and on for the others; one that says so where there is none."""
    studies = page.content.board.studies()
    names = ["human.html", *(f"human-{place}.html" for place in range(1, len(studies)))]
    if not studies:
        yield page("human.html", "human", "human", study=None, links=[])
    for here, study in enumerate(studies):
        links = [(one["name"], names[place], place == here) for place, one in enumerate(studies)]
        yield page(names[here], "human", "human", study=_shown(page, study), links=links)


def _shown(page: Renderer, study: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of a study."""
    shown: dict[str, Any] = {"name": study["name"], "problem": study["problem"]}
    if study["problem"] is not None:
        return shown
    (counts,) = vote_tables.records_of(study, "study")
    titles = {card["name"]: metric_title(card) for card in page.content.cards.values()}
    metrics = vote_tables.metric_rows(study)
    names = [row["metric"] for row in study["metrics"]]
    notes = [note for note in [*counts["notes"], *study["metric_notes"]] if "SIMULATED" not in note]
    return shown | {
        "counts": counts,
        "protocol": study["facts"].get("protocol", ""),
        "notes": list(dict.fromkeys(notes)),
        "questions": [
            _question(page, study, about, first=place == 0)
            for place, about in enumerate(vote_tables.records_of(study, "dimension"))
        ],
        "means": _table(
            page, vote_tables.mean_rows(study), dimension="question", model="model", mean="mean", interval="interval",
            n="votes", nearest="nearest",
        ),
        "agreement": _table(
            page, vote_tables.agreement_rows(study), dimension="question", judgement="judgement",
            coefficient="coefficient", value="value", interval="interval", items="items",
        ),
        "metrics": _table(
            page, metrics.assign(metric=[titles.get(name, name) for name in names]),
            dimension="question", metric="metric", accuracy="accuracy", chance="chance", people="people", n="votes",
            p="p", verdict="verdict",
        ),
        "metric_problem": study["metric_problem"],
    }  # fmt: skip


def _question(page: Renderer, study: Mapping[str, Any], about: Mapping[str, Any], *, first: bool) -> dict[str, Any]:
    dimension = about["dimension"]
    rows = vote_tables.rating_rows(study, dimension)
    drawn = [] if about["problem"] else rows.to_dict(orient="records")
    by_program = page.words("by_program", name="{name}")
    duels = vote_tables.duel_rows(study, dimension)
    annotators = vote_tables.annotator_rows(study, dimension, by_program)
    return {
        "title": say(dimension, page.words.language),
        "problem": about["problem"],
        "notes": about["notes"],
        "drawing": intervals(page.words("ratings_title"), drawn),
        "ratings": _table(
            page, rows, rank="rank", label="model", rating="rating", interval="interval", votes="votes",
            acceptable="acceptable",
        ),
        "duels": _table(
            page, duels, model="model", opponent="opponent", record="record", both_bad="both_bad",
            win_rate="win_rate", prompts="prompts", p="p",
        ),
        "annotators": _table(
            page, annotators, annotator="annotator", model="model", opponent="opponent", category="category",
            record="record", both_bad="both_bad", p="p",
        ),
        "open": first,
    }  # fmt: skip


def _table(page: Renderer, rows: pd.DataFrame, **columns: str) -> dict[str, Any] | None:
    """Heads and cells for the macro `plain`; None where there is no row. `columns` is column -> key of the words."""
    if rows.empty:
        return None
    shown = rows.assign(
        **{name: [say(text, page.words.language) for text in rows[name]] for name in SAID if name in rows}
    )
    heads = [page.words(key) for key in columns.values()]
    return {"heads": heads, "rows": shown[list(columns)].astype(str).to_numpy().tolist()}
