"""Quality control: how each annotator answered, and whom the protocol's rules exclude. Pure functions of the votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stepbench.preferences.clock import seconds_of
from stepbench.preferences.protocol import Exclusion, Protocol

QUALITY_COLUMNS = (
    *("annotator", "simulated", "votes", "skipped", "gold", "gold_pass_rate", "repeats", "repeat_consistency"),
    *("median_seconds", "timed", "fast_share", "left", "right", "side_bias_z", "tie_share", "tie_z", "excluded"),
)
Table = Any
"""A data frame; pandas' own annotations cannot tell a column from a table."""
RULES = ("gold_pass_rate", "repeat_consistency", "fast_share", "side_bias_z", "tie_share")
"""In the order in which they are applied: the first one broken is the one that is named."""


def annotator_quality(votes: pd.DataFrame, pairs: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """One row per annotator, in the order of their pseudonyms.

    Args:
        votes: Standing votes, as `tables.vote_table` gives them.
        pairs: `Study.pairs`: which clip a gold pair expects, and what a repeat repeats.
        protocol: Its main question and its exclusion rules.

    Returns:
        Columns `QUALITY_COLUMNS`. votes: submissions beside the calibration round; gold and repeats: how many were
        answered; median_seconds from showing to answer; timed: submissions whose clips have a known length; fast_share:
        share of these in less time than the longer clip lasts; side_bias_z: left against right among decided answers to
        the main question, against a fair coin; tie_share: ties and both bad among its answers; tie_z: that share
        against all other annotators'; excluded: the rule broken, else None. NaN where there is nothing to count.
    """
    table: Table = votes
    counted = table[table["kind"] != "calibration"]
    submissions = _submissions(counted)
    main = _main_answers(counted, protocol)
    main = main[main["winner"] != "skip"]
    main = main.assign(undecided=main["winner"].isin(("tie", "both_bad")))
    gold, repeats = _gold(main, pairs), _repeats(main, pairs)
    answers_of = dict(list(main.groupby("annotator")))
    rows = []
    for name, own in submissions.groupby("annotator", sort=True):
        answers = answers_of.get(name, main.iloc[:0])
        left, right = int((answers["winner"] == "a").sum()), int((answers["winner"] == "b").sum())
        timed = own[own["clip_seconds"].notna()]
        own_gold, own_repeats = gold[gold["annotator"] == name], repeats[repeats["annotator"] == name]
        row: dict[str, Any] = {
            "annotator": name,
            "simulated": bool(own["simulated"].iloc[0]),
            "votes": len(own),
            "skipped": int(own["skipped"].sum()),
            "gold": len(own_gold),
            "gold_pass_rate": _mean(own_gold["passed"]),
            "repeats": len(own_repeats),
            "repeat_consistency": _mean(own_repeats["alike"]),
            "median_seconds": float(own["seconds"].median()),
            "timed": len(timed),
            "fast_share": _mean(timed["seconds"] < timed["clip_seconds"]),
            "left": left,
            "right": right,
            "side_bias_z": (left - right) / np.sqrt(left + right) if left + right else np.nan,
            "tie_share": _mean(answers["undecided"]),
            "tie_z": _share_z(answers["undecided"], main["undecided"]),
        }
        rows.append(row | {"excluded": broken_rule(row, protocol.exclusion)})
    return pd.DataFrame(rows, columns=list(QUALITY_COLUMNS))


def broken_rule(row: dict[str, Any], rules: Exclusion) -> str | None:
    """The first rule that an annotator's figures break, in the order of `RULES`; None where all are kept.

    Args:
        row: `QUALITY_COLUMNS` of one annotator.
        rules: From the protocol. A limit of 0 is no rule.
    """
    enough = row["votes"] >= rules.min_votes
    broken = {
        "gold_pass_rate": row["gold"] >= rules.min_gold and row["gold_pass_rate"] < rules.gold_pass_rate,
        "repeat_consistency": row["repeats"] >= rules.min_repeats
        and row["repeat_consistency"] < rules.repeat_consistency,
        "fast_share": row["timed"] >= rules.min_votes and row["fast_share"] > rules.fast_share,
        "side_bias_z": enough and abs(row["side_bias_z"]) > rules.side_bias_z,
        "tie_share": enough and row["tie_share"] > rules.tie_share,
    }
    return next((rule for rule in RULES if getattr(rules, rule) and broken[rule]), None)


def exclusions(votes: pd.DataFrame, pairs: pd.DataFrame, protocol: Protocol) -> dict[str, str]:
    """Pseudonym -> the rule by which this annotator's votes are excluded; who breaks none is not in it."""
    table = annotator_quality(votes, pairs, protocol)
    return {name: rule for name, rule in zip(table["annotator"], table["excluded"], strict=True) if rule}


def _submissions(votes: Table) -> Table:
    """One row per vote_id, with its response time and the length of its longer clip, in seconds."""
    own = votes.drop_duplicates("vote_id")
    started, submitted = ([seconds_of(text) for text in own[name]] for name in ("started_at", "submitted_at"))
    lengths = [own[f"frames_{side}"].astype("float64") / own[f"fps_{side}"] for side in ("a", "b")]
    return pd.DataFrame(
        {
            "annotator": own["annotator"],
            "simulated": own["simulated"],
            "skipped": own["winner"] == "skip",
            "seconds": np.subtract(submitted, started),
            "clip_seconds": pd.concat(lengths, axis=1).max(axis=1),
        }
    )


def _main_answers(votes: Table, protocol: Protocol) -> Table:
    """One row per vote on the main question; where a protocol has ratings only, the higher sum of ratings wins."""
    if protocol.main_question is not None:
        return votes[votes["dimension"] == protocol.main_question.id]
    sums = votes[votes["rating"].notna()].pivot_table("rating", "vote_id", "rated_clip", aggfunc="sum")
    first = votes.drop_duplicates("vote_id").set_index("vote_id", drop=False)
    if sums.empty:
        return first[first["winner"].notna()]
    decided = np.select([sums["a"] > sums["b"], sums["a"] < sums["b"]], ["a", "b"], "tie")
    return first.assign(winner=first["winner"].where(first["winner"].notna(), pd.Series(decided, sums.index)))


def _gold(main: Table, pairs: Table) -> Table:
    """Answered gold pairs: annotator, passed. Only the expected clip passes; a tie does not."""
    gold = main[main["kind"] == "gold"]
    chosen = _chosen(gold)
    expected = gold["pair_id"].map(pairs.set_index("pair_id")["expected"])
    return pd.DataFrame({"annotator": gold["annotator"], "passed": chosen == expected})


def _repeats(main: Table, pairs: Table) -> Table:
    """Repeated pairs that were judged both times: annotator, alike (the same clip, or no winner both times)."""
    answered = main.assign(chosen=_chosen(main))
    original = pairs.set_index("pair_id")["repeat_of"]
    second = answered[answered["kind"] == "repeat"]
    if second.empty:
        return pd.DataFrame({"annotator": [], "alike": []})
    second = second.assign(original=second["pair_id"].map(original))
    both = second.merge(
        answered[["annotator", "pair_id", "chosen"]],
        left_on=["annotator", "original"],
        right_on=["annotator", "pair_id"],
        suffixes=("", "_before"),
    )
    return pd.DataFrame({"annotator": both["annotator"], "alike": both["chosen"] == both["chosen_before"]})


def _chosen(answers: Table) -> Any:
    """Which clip of the plan an answer chose: "1", "2" or "neither", whichever side it stood on."""
    left, right = (np.where(answers["swapped"], *numbers) for numbers in (("2", "1"), ("1", "2")))
    chosen = np.select([answers["winner"] == "a", answers["winner"] == "b"], [left, right], "neither")
    return pd.Series(chosen, index=answers.index, dtype=object)


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _share_z(own: Any, everyone: Any) -> float:
    """z of one annotator's share against that of all the others, with the pooled standard error."""
    n, other_n = len(own), len(everyone) - len(own)
    if not n or not other_n:
        return float("nan")
    pooled = everyone.mean()
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    return float((own.mean() - (everyone.sum() - own.sum()) / other_n) / spread) if spread else float("nan")
