"""What people said: ratings with intervals, head to head, 1 to 5 ratings, agreement of people and of metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from leaderboard import charts, widgets, wording
from leaderboard.language import said, words
from leaderboard.translation import Words
from stepbench.board import vote_tables as votes
from stepbench.wording import metric_title


def page() -> None:
    """Lay the page out."""
    board = widgets.board_or_guidance()
    if board is None:
        return
    word = words("human")
    st.title(words("frame")("human"))
    studies = {study["name"]: study for study in board.studies}
    if not studies:
        st.info(word("none"))
        return
    study = studies[widgets.choose(word("study"), list(studies), key="study", clears=["dimension"])]
    if study["problem"] is not None:
        st.warning(word("problem", why=wording.plain(study["problem"])))
        return
    _head(study, word)
    dimensions = [row["dimension"] for row in votes.records_of(study, "dimension")]
    if dimensions:
        dimension = widgets.choose_pill(word("dimension"), dimensions, key="dimension", format_func=said)
        _ratings(study, dimension, word)
        _duels(study, dimension, word)
    _means(study, word)
    _agreement(study, word)
    _metrics(study, {card["name"]: metric_title(card) for card in board.cards.values()}, word)
    if dimensions:
        _annotators(study, dimension, word)


def _head(study: dict[str, Any], word: Words) -> None:
    (counts,) = votes.records_of(study, "study")
    total = counts["votes"] + counts["ratings"]
    if counts["simulated_votes"]:
        st.warning(word("simulated", n=counts["simulated_votes"], total=total), icon=":material/smart_toy:")
    numbers = {name: counts[name] for name in ("votes", "ratings", "annotators")}
    st.caption(word("counts", **numbers, protocol=wording.plain(study["facts"].get("protocol", "–"))))
    _notes(note for note in counts["notes"] if not note.startswith("SIMULATED"))


def _ratings(study: dict[str, Any], dimension: str, word: Words) -> None:
    st.subheader(word("ratings"))
    (about,) = votes.records_of(study, "dimension", dimension)
    if about["problem"]:
        st.warning(word("no_scale", why=wording.plain(about["problem"])))
        return
    rows = votes.rating_rows(study, dimension)
    if any(rows["mean"].notna()):
        st.altair_chart(charts.ratings(rows, words("charts")), width="stretch")
    frame_word = words("frame")
    _table(
        rows,
        {
            "rank": frame_word("rank"),
            "label": word("model"),
            "rating": word("rating"),
            "interval": frame_word("interval"),
            "votes": word("votes"),
            "acceptable": word("acceptable"),
        },
    )
    st.caption(word("ratings_caption"))
    _notes(about["notes"])


def _duels(study: dict[str, Any], dimension: str, word: Words) -> None:
    st.subheader(word("head_to_head"))
    names = ("model", "opponent", "record", "both_bad", "win_rate")
    columns = {name: word(name) for name in names} | {"prompts": words("frame")("prompts"), "p": word("p")}
    _table(votes.duel_rows(study, dimension), columns)


def _means(study: dict[str, Any], word: Words) -> None:
    rows = votes.mean_rows(study)
    if rows.empty:
        return
    st.subheader(word("means"))
    frame_word = words("frame")
    columns = {"dimension": word("dimension"), "model": word("model"), "mean": frame_word("mean")}
    _table(rows, columns | {"interval": frame_word("interval"), "n": word("votes"), "nearest": word("nearest")})


def _agreement(study: dict[str, Any], word: Words) -> None:
    rows = votes.agreement_rows(study)
    if rows.empty:
        return
    st.subheader(word("agreement"))
    columns = {name: word(name) for name in ("dimension", "judgement", "coefficient", "value")}
    _table(rows, columns | {"interval": words("frame")("interval"), "items": word("items")})


def _metrics(study: dict[str, Any], titles: dict[str, str], word: Words) -> None:
    st.subheader(word("metrics"))
    if study["metric_problem"] is not None:
        st.caption(word("no_metrics", why=wording.plain(study["metric_problem"])))
        return
    columns = {"dimension": word("dimension"), "metric": words("frame")("metric")}
    columns |= {name: word(name) for name in ("accuracy", "chance", "people")}
    rows = votes.metric_rows(study)
    _table(
        rows.assign(metric=rows.metric.map(lambda name: titles.get(name, name))),
        columns | {"n": word("votes"), "p": word("p"), "verdict": word("verdict")},
    )
    st.caption(word("metrics_caption"))
    # That judgements are simulated stands above.
    _notes(note for note in study["metric_notes"] if "SIMULATED" not in note)


def _annotators(study: dict[str, Any], dimension: str, word: Words) -> None:
    with st.expander(word("annotators"), icon=":material/group:"):
        rows = votes.annotator_rows(study, dimension, word("by_program", name="{name}"))
        names = ("annotator", "model", "opponent", "category", "record", "both_bad", "p")
        _table(rows, {name: word(name) for name in names})


def _notes(notes: Iterable[str]) -> None:
    lines = [f"- {wording.plain(note)}" for note in notes]
    if lines:
        st.caption("\n".join(lines))


def _table(rows: pd.DataFrame, columns: dict[str, Any]) -> None:
    worded = {name: rows[name].map(said) for name in ("dimension", "judgement", "verdict") if name in rows}
    st.dataframe(
        rows.assign(**worded).reindex(columns=list(columns)),
        hide_index=True,
        width="stretch",
        height=widgets.height(rows),
        placeholder="–",
        column_config=columns,
    )


if __name__ == "__main__":
    page()
