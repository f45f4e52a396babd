"""Which clips of a run count as accepted: by policy and people, or by the votes of annotators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.costs.summary import Acceptance
from stepbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run

LOWEST_GOOD_RATING = 3
_NEEDED = ("winner", "sample_key_a", "sample_key_b")


def accepted_clips(run: Run, source: str, policy: Path | None = None) -> Acceptance:
    """The accepted clips of a run.

    Args:
        source: `review`, or a file of votes (.csv, .jsonl, .parquet) with the columns winner, sample_key_a and
            sample_key_b, as preference studies have them.
        policy: Of the review; None for that of the package.

    Raises:
        UsageError: A file that is not there, or that lacks a column.
        NothingSelectedError: The run has no clip.
    """
    if source == "review":
        from stepbench.review.policy import read_policy
        from stepbench.review.review import review_run

        review = review_run(run, read_policy(policy))
        keys = {clip.sample["sample_key"] for clip in review.clips if clip.standing == "accept"}
        waiting = {clip.sample["sample_key"] for clip in review.queue}
        return Acceptance(accepted=keys, waiting=len(waiting), by=f"review with policy {review.policy.name}")
    return accepted_by_votes(run, _votes(Path(source)), Path(source).name)


def accepted_by_votes(run: Run, votes: pd.DataFrame, name: str) -> Acceptance:
    """Clips that at most half of their judgements found bad; a clip without any is not accepted yet.

    A judgement finds a clip bad if it says `both_bad`, or rates it below 3 of 5. Losing a comparison does not make one
    bad. Gold, repeated and excluded votes do not count, where the columns `kind` and `excluded` tell them.
    """
    judged: Any = votes
    if "kind" in judged:
        judged = judged[judged["kind"] == "real"]
    if "excluded" in judged:
        judged = judged[judged["excluded"].isna()]
    tally: dict[str, list[int]] = {}
    for row in judged.to_dict("records"):
        rating = row.get("rating")
        if rating is not None and rating == rating:
            sides, bad = [row.get("rated_clip")], rating < LOWEST_GOOD_RATING
        elif row["winner"] in ("a", "b", "tie", "both_bad"):
            sides, bad = ["a", "b"], row["winner"] == "both_bad"
        else:
            continue
        for side in sides:
            tally.setdefault(row[f"sample_key_{side}"], []).append(bad)
    made = run.samples()
    keys = set(made.loc[made["outcome"] == "ok", "sample_key"])
    accepted = {key for key in keys if key in tally and 2 * sum(tally[key]) <= len(tally[key])}
    return Acceptance(accepted=accepted, waiting=len(keys - tally.keys()), by=f"votes of {name}")


def _votes(path: Path) -> pd.DataFrame:
    import pandas as pd

    readers = {
        ".csv": pd.read_csv,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers or not path.is_file():
        raise UsageError(
            f"accepted clips come from `review` or a file of votes, got {str(path)!r}",
            hint=f"give a file that ends in {', '.join(readers)}",
        )
    votes = readers[path.suffix](path)
    missing = [name for name in _NEEDED if name not in votes]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]!r}", hint=f"votes need {', '.join(_NEEDED)}")
    return votes
