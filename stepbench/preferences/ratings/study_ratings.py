"""Everything that the votes of a study say, in one object: what `stepbench prefs rate` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stepbench.errors import NotComparableError
from stepbench.preferences.ratings.annotator_tables import annotator_tables
from stepbench.preferences.ratings.counting import CountedVotes, Table, count_votes
from stepbench.preferences.ratings.head_to_head import head_to_head
from stepbench.preferences.ratings.mean_ratings import mean_ratings
from stepbench.preferences.ratings.two_way_mean import two_way_share
from stepbench.preferences.ratings.vote_agreement import agreement_table
from stepbench.stats.ratings import bradley_terry

FEW_PROMPTS = 30
"""Below this many prompts an interval is wide, and the normal shape behind it is a hope."""


@dataclass(frozen=True, kw_only=True)
class DimensionRatings:
    """What the pairwise votes of one dimension say.

    Attributes:
        dimension: `overall`, or one of the protocol's.
        models: As `bradley_terry` returns it, with `acceptable_low` and `acceptable_high`, and `problem`: why a model
            has no number; its rating, bounds and `p_best` are NaN then. Empty where there is no common scale.
        head_to_head: See `head_to_head`.
        annotators: See `annotator_tables`.
        problem: Why the models cannot be rated on one scale; empty where they can.
        notes: What to keep in mind.
    """

    dimension: str
    models: Table
    head_to_head: Table
    annotators: Table
    problem: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StudyRatings:
    """What the votes of a study say.

    Attributes:
        counted: The votes behind it.
        dimensions: One per dimension of the pairwise votes, `overall` first.
        means: See `mean_ratings`.
        agreement: See `agreement_table`.
        notes: What holds for all of it; the first one says so where votes are simulated.
    """

    counted: CountedVotes
    dimensions: tuple[DimensionRatings, ...]
    means: Table
    agreement: Table
    notes: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether all models that votes compare share a scale, in every dimension."""
        return not any(found.problem for found in self.dimensions if len(found.head_to_head))

    def records(self) -> Iterator[dict[str, Any]]:
        """One flat record per row of every table; `table` says which, `simulated_votes` how many votes are a program's.

        The first record holds the counts and notes.
        """
        yield {
            "table": "study",
            "votes": len(self.counted.pairwise),
            "ratings": len(self.counted.ratings),
            "simulated_votes": self.counted.simulated,
            "annotators": int(self.counted.everything["annotator"].nunique()),
            "left_out": self.counted.left_out,
            "notes": list(self.notes),
        }
        for found in self.dimensions:
            shared = {"dimension": found.dimension, "simulated_votes": _simulated(self.counted.pairwise, found)}
            problem = found.problem or None
            yield {"table": "dimension", **shared, "problem": problem, "notes": list(found.notes)}
            for name in ("models", "head_to_head", "annotators"):
                for row in getattr(found, name).to_dict("records"):
                    yield {"table": name, **shared, **row}
        rated = int(self.counted.ratings["simulated"].astype(bool).sum())
        for name, simulated in (("means", rated), ("agreement", self.counted.simulated)):
            for row in getattr(self, name).to_dict("records"):
                yield {"table": name, "simulated_votes": simulated, **row}


def rate_study(
    votes: Table,
    *,
    rng: np.random.Generator,
    anchors: Mapping[str, Sequence[str]] | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> StudyRatings:
    """Ratings, head-to-head tables, means and agreement.

    Args:
        votes: As `Study.votes()` returns them.
        rng: Source of all random draws.
        anchors: Dimension -> the protocol's words for the ratings 1 to 5.
        draws: Joint draws behind ranks, and resamples behind the intervals of agreement.
        level: Coverage of all intervals.

    Raises:
        UsageError: Columns are missing or hold something unknown.
        NothingSelectedError: No judgement counts.
    """
    counted = count_votes(votes)
    names = sorted(counted.pairwise["dimension"].unique(), key=lambda name: (name != "overall", name))
    dimensions = [
        _rate_dimension(name, counted.pairwise[counted.pairwise["dimension"] == name], rng, draws, level)
        for name in names
    ]
    return StudyRatings(
        counted=counted,
        dimensions=tuple(dimensions),
        means=mean_ratings(counted.ratings, anchors=anchors, level=level),
        agreement=agreement_table(counted.pairwise, counted.ratings, rng=rng, draws=draws, level=level),
        notes=tuple(_notes(counted)),
    )


def _rate_dimension(name: str, votes: Table, rng: np.random.Generator, draws: int, level: float) -> DimensionRatings:
    between = votes[votes["model_a"] != votes["model_b"]]
    notes = []
    if len(between) < len(votes):
        notes.append(f"{len(votes) - len(between)} votes are between clips of one model and rate no model")
    models: Table = pd.DataFrame()
    problem = ""
    if between.empty:
        problem = "no vote is between two models, so there is nothing to rate"
    else:
        try:
            models = bradley_terry(between, rng=rng, draws=draws, level=level)
        except NotComparableError as error:
            problem = error.message
        else:
            notes += models.attrs["notes"]
            models = _with_acceptable(_without_separable(models), between, level)
    return DimensionRatings(
        dimension=name,
        models=models,
        head_to_head=head_to_head(votes, level=level),
        annotators=annotator_tables(votes),
        problem=problem,
        notes=tuple(notes),
    )


def _without_separable(models: Table) -> Table:
    """Where the prior alone keeps a rating finite, words take the place of the number."""
    words = "won or lost every vote that ties it to the others: no finite rating fits"
    separable = models["separable"]
    cleared = models.assign(problem=separable.map({True: words, False: ""}))
    cleared.loc[separable, ["rating", "low", "high", "p_best"]] = np.nan
    return cleared


def _with_acceptable(models: Table, votes: Table, level: float) -> Table:
    intervals = []
    for model in models["model"]:
        own = votes[(votes["model_a"] == model) | (votes["model_b"] == model)]
        fine = own["winner"] != "both_bad"
        intervals.append(two_way_share(fine, own["prompt_id"], own["annotator"], level=level))
    return models.assign(
        acceptable_low=[found.low for found in intervals], acceptable_high=[found.high for found in intervals]
    )


def _notes(counted: CountedVotes) -> Iterator[str]:
    everything = counted.everything
    total, simulated = len(everything), counted.simulated
    if simulated:
        who = "no person voted" if simulated == total else f"{total - simulated} are of people"
        yield f"SIMULATED: {simulated} of {total} judgements are by programs, {who}"
    prompts = everything["prompt_id"].nunique()
    if prompts < FEW_PROMPTS:
        yield f"only {prompts} prompts: intervals are wide, and other prompts may fare otherwise"
    for reason, number in counted.left_out.items():
        yield f"{number} judgements do not count: {reason}"


def _simulated(pairwise: Table, found: DimensionRatings) -> int:
    return int(pairwise.loc[pairwise["dimension"] == found.dimension, "simulated"].astype(bool).sum())
