"""Which votes count: those on real pairs by annotators whom no rule excludes; the rest is told by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from stepbench.errors import NothingSelectedError, UsageError

Table = Any
"""A pandas data frame. Its own annotations cannot tell a frame from a column of it."""

VERDICTS = ("a", "b", "tie", "both_bad")
"""What a pairwise vote can say; `skip` says nothing."""

NEEDED = (
    "vote_id",
    "pair_id",
    "kind",
    "dimension",
    "winner",
    "rating",
    "rated_clip",
    "prompt_id",
    "category",
    "model_a",
    "model_b",
    "clip_sha256_a",
    "clip_sha256_b",
    "annotator",
    "simulated",
    "excluded",
)


@dataclass(frozen=True, kw_only=True)
class CountedVotes:
    """The votes that count, and how many do not. Translations of one prompt share its `prompt_id`: they are one prompt.

    Attributes:
        pairwise: One row per pairwise vote, skips left out.
        ratings: One row per 1 to 5 rating.
        left_out: Reason -> number of judgements that do not count.
    """

    pairwise: Table
    ratings: Table
    left_out: dict[str, int]

    @property
    def everything(self) -> Table:
        """All judgements that count."""
        return pd.concat([self.pairwise, self.ratings])

    @property
    def simulated(self) -> int:
        """How many of them a program gave."""
        return int(self.pairwise["simulated"].astype(bool).sum() + self.ratings["simulated"].astype(bool).sum())


def count_votes(votes: Table) -> CountedVotes:
    """Sort the judgements that stand into those that count and those that do not.

    Args:
        votes: As `Study.votes()` returns them.

    Raises:
        UsageError: Columns are missing, or a pairwise vote says something unknown.
        NothingSelectedError: No judgement counts.
    """
    missing = [name for name in NEEDED if name not in votes.columns]
    if missing:
        raise UsageError(
            f"a table of votes needs the columns {', '.join(NEEDED)}; missing: {', '.join(missing)}",
            hint="give a study, or a file written by `stepbench prefs export --to csv` or `parquet`",
        )
    # Sums of floats depend on their order; what votes say must not depend on the order of rows.
    votes = votes.sort_values(["vote_id", "dimension", "rated_clip"], key=lambda column: column.astype(str))
    votes = votes.assign(prompt_id=prompt_units(votes))
    excluded = votes["excluded"].notna()
    real = votes["kind"] == "real"
    skipped = votes["winner"] == "skip"
    rated = votes["rating"].notna()
    counts = real & ~excluded & ~skipped
    left_out = {
        **{f"{kind} pairs": int((votes["kind"] == kind).sum()) for kind in votes["kind"].unique() if kind != "real"},
        "annotator excluded": int((real & excluded).sum()),
        "skipped": int((real & ~excluded & skipped).sum()),
    }
    pairwise = votes[counts & ~rated]
    unknown = sorted({repr(value) for value in pairwise["winner"] if value not in VERDICTS})
    if unknown:
        raise UsageError(f"unknown verdicts: {', '.join(unknown)}", hint=f"a verdict is one of {', '.join(VERDICTS)}")
    if not counts.any():
        raise NothingSelectedError(
            f"none of {len(votes)} judgements counts", hint="`stepbench prefs status STUDY` shows what there is"
        )
    return CountedVotes(
        pairwise=pairwise.reset_index(drop=True),
        ratings=votes[counts & rated].reset_index(drop=True),
        left_out={reason: number for reason, number in left_out.items() if number},
    )


def prompt_units(votes: Table) -> Table:
    """The unit of inference of each vote or pair: its prompt, all translations of one prompt (`pair_group`) being one.

    Args:
        votes: Votes or pairs with `prompt_id`, and `pair_group` where translations are known.
    """
    if "pair_group" not in votes:
        return votes["prompt_id"]
    return ("family " + votes["pair_group"].astype(str)).where(votes["pair_group"].notna(), votes["prompt_id"])
