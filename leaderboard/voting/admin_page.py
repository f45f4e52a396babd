"""The organiser's page: how far the study is, how well its annotators agree, and whom the rules exclude.

No generator is named here either, so that an organiser who votes stays blind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from leaderboard.translation import Words
from leaderboard.voting.visitor import study, study_folder, visitor, words
from stepbench.access.invitations import ACCESS_FILE, Invitations
from stepbench.board.verdict_words import say
from stepbench.preferences import Study
from stepbench.preferences.agreement_table import agreement_table
from stepbench.preferences.progress import study_progress

# No text may stand alone in a page's script: Streamlit would show it.
DECIMALS = ("gold_pass_rate", "repeat_consistency", "median_seconds", "fast_share", "side_bias_z", "tie_share")
# Columns about an annotator -> key of `words/admin.toml`.
QUALITY = {
    **{"annotator": "annotator", "simulated": "by_program", "votes": "votes", "skipped": "skips", "gold": "gold"},
    **{"gold_pass_rate": "gold_pass_rate", "repeats": "repeats", "repeat_consistency": "repeat_consistency"},
    **{name: name for name in ("median_seconds", "fast_share", "side_bias_z", "tie_share")},
    "excluded": "broken_rules",
}
APPLIED = "exclusions_applied"


def page() -> None:
    """Lay the page out."""
    guest, text = visitor(), Words("admin", words().language)
    if guest is None or not guest.may("admin"):
        st.warning(text("not_allowed"))
        return
    opened = study()
    st.title(text("title"))
    st.text(f"{opened.study_id} · {opened.protocol.name} · {opened.protocol_sha256[:12]}")
    st.button(text("refresh"))
    _progress(opened, text)
    _agreement(opened, text)
    _quality(opened, text)
    _invitations(text)
    st.subheader(text("export"))
    st.code(f"stepbench prefs rate {study_folder()}\nstepbench prefs export {study_folder()} --help", language="bash")


def _progress(opened: Study, text: Words) -> None:
    progress = study_progress(opened)
    if progress.standing_simulated:
        st.warning(text("simulated", count=progress.standing_simulated))
    # Programs vote in no time, which says nothing about how long the study will take.
    people = progress.annotators > progress.simulated
    per_hour = progress.votes_per_hour if people else float("nan")
    facts = {
        "votes": f"{progress.standing} / {progress.wanted}",
        "left": str(progress.left),
        "per_hour": f"{per_hour:.0f}" if np.isfinite(per_hour) else "–",
        "annotators": str(progress.annotators),
        "at_hand": str(progress.leased),
        "skips": str(progress.skipped),
    }
    with st.container(horizontal=True):
        for key, value in facts.items():
            st.metric(text(key), value, width="content")
    if progress.wanted:
        st.progress(min(1.0, progress.standing / progress.wanted))


def _agreement(opened: Study, text: Words) -> None:
    st.subheader(text("agreement"))
    st.caption(text("agreement_about"))
    table: Any = agreement_table(opened.votes(), opened.protocol, rng=np.random.default_rng(opened.seed), draws=500)
    names = {"dimension": "question", **{name: name for name in ("alpha", "low", "high", "items", "annotators")}}
    shown = table[list(names)].assign(dimension=table["dimension"].map(lambda name: say(name, text.language)))
    _show(shown, names, text, decimals=("alpha", "low", "high"))


def _quality(opened: Study, text: Words) -> None:
    quality: Any = opened.quality()
    st.subheader(text("quality"))
    _show(quality[list(QUALITY)], QUALITY, text, decimals=DECIMALS)
    st.subheader(text("rules"))
    st.caption(text("rules_about"))
    rules = pd.DataFrame([(text(f"rule_{name}"), limit) for name, limit in _rules(opened)], columns=["rule", "limit"])
    _show(rules, {"rule": "rule", "limit": "limit"}, text)
    excluded = {row["annotator"]: row["excluded"] for row in quality.to_dict("records") if row["excluded"]}
    st.text(text("excluded", count=len(excluded)))
    if st.button(text("apply"), help=text("apply_about")):
        opened.log(APPLIED, {"protocol_sha256": opened.protocol_sha256, "excluded": excluded})
    events: Any = opened.events()
    applied = events[events["kind"] == APPLIED]
    if len(applied):
        st.text(text("applied", when=str(applied["at"].iloc[-1])[:16], times=len(applied)))


def _rules(opened: Study) -> list[tuple[str, float]]:
    """The exclusion rules of the frozen protocol, in its order."""
    return [(name, float(limit)) for name, limit in opened.protocol.exclusion.model_dump().items()]


def _invitations(text: Words) -> None:
    if not (study_folder() / ACCESS_FILE).is_file():
        return
    st.subheader(text("invitations"))
    invitations = Invitations(study_folder()).all()
    refused = [one for one in invitations if one.refused]
    if refused:
        st.warning(text("refused", ids=", ".join(one.id for one in refused)))
    table = pd.DataFrame([asdict(one) for one in invitations])
    for name in table.columns:
        if name.endswith("_at"):
            table[name] = pd.to_datetime(table[name], unit="s").dt.floor("s")
    _show(table, {name: "tries" if name == "refused" else name for name in table.columns}, text)


def _show(table: pd.DataFrame, names: Mapping[str, str], text: Words, *, decimals: Collection[str] = ()) -> None:
    """A table under heads in the reader's language; `names` is column -> key of `words/admin.toml`."""
    heads = {name: text(key) for name, key in names.items()}
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(head, format="%.2f") if name in decimals else head
        for name, head in heads.items()
    }
    st.dataframe(table, hide_index=True, width="stretch", placeholder="–", column_config=columns)


if __name__ == "__main__":
    page()
