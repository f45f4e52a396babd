"""How far a study is: what is planned, what stands, what is left, and how fast it comes in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stepbench.preferences.clock import seconds_of
from stepbench.preferences.records import KINDS
from stepbench.preferences.study import Study

Table = Any
"""A data frame; pandas' own annotations cannot tell a column from a table."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Counts of a study.

    Attributes:
        pairs: Planned pairs by kind.
        wanted: Votes wanted on real pairs.
        standing: Votes on real pairs that stand, skips aside; never more than `wanted`.
        left: What is missing.
        open_pairs: Real pairs that lack votes.
        leased: Pairs that are with an annotator now.
        skipped: Skips that stand, over all pairs.
        annotators: Who has voted; `simulated` of them are programs, `excluded` of them break a rule.
        excluded_votes: Of `standing`, those of excluded annotators.
        simulated_votes: Of `standing`, those of programs.
        votes_per_hour: Submissions of all kinds per hour, over the hours in which there were any; NaN without two.
        first: When the first vote came in, ISO 8601, or None.
        last: When the last one did.
    """

    pairs: dict[str, int]
    wanted: int
    standing: int
    left: int
    open_pairs: int
    leased: int
    skipped: int
    annotators: int
    simulated: int
    excluded: int
    standing_excluded: int
    standing_simulated: int
    votes_per_hour: float
    first: str | None
    last: str | None


def study_progress(study: Study) -> Progress:
    """Count what a study has and lacks."""
    votes: Table = study.votes()
    pairs: Table = study.pairs()
    once = votes.drop_duplicates("vote_id")
    real = pairs[pairs["kind"] == "real"]
    counted = once[(once["kind"] == "real") & (once["winner"] != "skip")]
    wanted = int(real["target_votes"].fillna(real["votes"]).sum())
    missing = (real["target_votes"] - real["votes"]).clip(lower=0).fillna(0)
    people = once.drop_duplicates("annotator")
    return Progress(
        pairs={kind: int((pairs["kind"] == kind).sum()) for kind in KINDS},
        wanted=wanted,
        standing=int(real["votes"].sum()),
        left=int(missing.sum()),
        open_pairs=int((missing > 0).sum()),
        leased=int(study.live_leases().sum()),
        skipped=int((once["winner"] == "skip").sum()),
        annotators=len(people),
        simulated=int(people["simulated"].sum()),
        excluded=int(people["excluded"].notna().sum()),
        standing_excluded=int(counted["excluded"].notna().sum()),
        standing_simulated=int(counted["simulated"].sum()),
        votes_per_hour=votes_per_hour([seconds_of(text) for text in once["submitted_at"]]),
        first=str(once["submitted_at"].iloc[0]) if len(once) else None,
        last=str(once["submitted_at"].iloc[-1]) if len(once) else None,
    )


def votes_per_hour(times: list[float]) -> float:
    """Votes per hour of work: breaks of more than ten minutes do not count. NaN for fewer than two votes.

    Args:
        times: Seconds since 1970, in order.
    """
    gaps = pd.Series(times, dtype="float64").diff().dropna()
    worked = gaps[gaps <= 600]
    hours = float(worked.sum()) / 3600
    return len(worked) / hours if hours > 0 else math.nan
