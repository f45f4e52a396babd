"""Which pairs of clips become preferences: rules over the votes of each pair, and how many pairs each rule drops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import pandas as pd

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.ratings.counting import Table, count_votes

SameGenerator = Literal["any", "prefer", "require"]


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """What a pair needs to become a preference. Only votes on real pairs by annotators who are not excluded count.

    Attributes:
        dimension: Whose votes decide.
        min_votes: Votes that a pair needs, ties and "both bad" among them.
        min_margin: Votes for the winner minus votes for the loser, as a share of all votes of the pair; at least so
            much. 0 asks for a majority only.
        max_pairs_per_prompt: Of each prompt the clearest so many; None keeps all.
        same_generator: Whether both clips must be of one generator (`require`), or where a prompt has such pairs only
            they are kept (`prefer`): they are on the policy that is to be trained, other pairs may not be.
        people_only: Leave out votes of programs.

    Raises:
        UsageError: A value out of range.
    """

    dimension: str = "overall"
    min_votes: int = 1
    min_margin: float = 0.0
    max_pairs_per_prompt: int | None = None
    same_generator: SameGenerator = "any"
    people_only: bool = False

    def __post_init__(self) -> None:
        if self.min_votes < 1:
            raise UsageError(f"min_votes must be at least 1, got {self.min_votes}")
        if not 0 <= self.min_margin <= 1:
            raise UsageError(f"min_margin must lie between 0 and 1, got {self.min_margin}", hint="0.5: three to one")
        if self.max_pairs_per_prompt is not None and self.max_pairs_per_prompt < 1:
            raise UsageError(f"max_pairs_per_prompt must be at least 1, got {self.max_pairs_per_prompt}")
        if self.same_generator not in get_args(SameGenerator):
            raise UsageError(f"same_generator is any, prefer or require, got {self.same_generator!r}")


@dataclass(frozen=True, kw_only=True)
class PreferredPair:
    """Two clips of one prompt of which most votes preferred the first.

    Attributes:
        chosen: The preferred clip: `clip`, `sha256`, `model`, `run`, `seed` and `sample_key`, as in the table of votes.
        rejected: The other one, likewise.
        share: Of the votes for one of the two, those for `chosen`: above 0.5, at most 1.
        margin: See `PairRules.min_margin`.
        votes: Every vote that counted: `vote_id`, `annotator`, `simulated`, and `outcome`, which is `chosen`,
            `rejected`, `tie` or `both_bad`.
    """

    pair_id: str
    prompt_id: str
    prompt: str
    language: str
    category: str
    pair_group: str | None
    chosen: dict[str, Any]
    rejected: dict[str, Any]
    share: float
    margin: float
    votes: tuple[dict[str, Any], ...]

    @property
    def simulated(self) -> int:
        """How many of the votes are a program's."""
        return sum(bool(vote["simulated"]) for vote in self.votes)


@dataclass(frozen=True, kw_only=True)
class SelectedPairs:
    """The pairs that passed, by pair_id, and rule -> number of pairs it dropped. Every pair is in exactly one place."""

    pairs: tuple[PreferredPair, ...]
    dropped: dict[str, int]


def candidate_votes(votes: Table, rules: PairRules) -> Table:
    """The pairwise votes that the rules are about.

    Raises:
        UsageError: The study has no such dimension, or the table lacks columns.
        NothingSelectedError: No vote counts.
    """
    pairwise = count_votes(votes).pairwise
    known = sorted(pairwise["dimension"].unique())
    if rules.dimension not in known:
        raise UsageError(
            f"no pairwise vote is on {rules.dimension!r}", hint=f"choose from {', '.join(known) or 'none'}"
        )
    chosen = pairwise[pairwise["dimension"] == rules.dimension]
    if rules.people_only:
        chosen = chosen[~chosen["simulated"].astype(bool)]
        if chosen.empty:
            raise NothingSelectedError("no vote is left without those of programs", hint="leave --people-only out")
    return chosen


def select_pairs(votes: Table, rules: PairRules) -> SelectedPairs:
    """Apply the rules, in the order of their names in `dropped`.

    Args:
        votes: As `candidate_votes` returns them.
        rules: What a pair needs.
    """
    dropped: Counter[str] = Counter()
    kept: list[PreferredPair] = []
    for _, group in votes.groupby("pair_id", sort=True):
        pair, why = _judge(group, rules)
        if pair is None:
            dropped[why] += 1
        else:
            kept.append(pair)
    kept = _by_generator(kept, rules, dropped)
    kept = _capped(kept, rules, dropped)
    return SelectedPairs(pairs=tuple(sorted(kept, key=lambda pair: pair.pair_id)), dropped=dict(dropped))


def rules_record(rules: PairRules) -> dict[str, Any]:
    """The rules as they stand in a manifest."""
    return asdict(rules)


def _judge(group: Table, rules: PairRules) -> tuple[PreferredPair | None, str]:
    """One pair of clips by its votes. Sides differ between annotators, so clips are told apart by what they are."""
    first = group.iloc[0]
    clips = [_clip(first, side) for side in ("a", "b")]
    outcomes = [_outcome(row, clips) for row in group.to_dict("records")]
    counts = Counter(outcomes)
    wins, losses = counts[0], counts[1]
    winner = 0 if wins >= losses else 1
    margin = abs(wins - losses) / len(outcomes)
    if len(outcomes) < rules.min_votes:
        return None, f"fewer than {rules.min_votes} votes"
    if 2 * counts["both_bad"] >= len(outcomes):
        return None, "both bad"
    if wins == losses or counts["tie"] > max(wins, losses):
        return None, "tie"
    if margin < rules.min_margin:
        return None, f"margin below {rules.min_margin:g}"
    names = {winner: "chosen", 1 - winner: "rejected"}
    rows = sorted(zip(group.to_dict("records"), outcomes, strict=True), key=lambda pair: str(pair[0]["vote_id"]))
    group_name = first.get("pair_group")
    return (
        PreferredPair(
            pair_id=str(first["pair_id"]),
            prompt_id=str(first["prompt_id"]),
            prompt=str(first["text"]),
            language=str(first["language"]),
            category=str(first["category"]),
            pair_group=None if pd.isna(group_name) else str(group_name),
            chosen=clips[winner],
            rejected=clips[1 - winner],
            share=max(wins, losses) / (wins + losses),
            margin=margin,
            votes=tuple(
                {
                    "vote_id": str(row["vote_id"]),
                    "annotator": str(row["annotator"]),
                    "simulated": bool(row["simulated"]),
                    "outcome": names.get(outcome, outcome),
                }
                for row, outcome in rows
            ),
        ),
        "",
    )


def _clip(row: Any, side: str) -> dict[str, Any]:
    texts = {"clip": "clip", "sha256": "clip_sha256", "model": "model", "run": "run", "sample_key": "sample_key"}
    values = {name: row[f"{column}_{side}"] for name, column in texts.items()}
    seed = row[f"seed_{side}"]
    known = {name: "" if pd.isna(value) else str(value) for name, value in values.items()}
    return known | {"seed": None if pd.isna(seed) else int(seed)}


def _outcome(row: dict[str, Any], clips: Sequence[dict[str, Any]]) -> Any:
    """0 or 1 for the clip that won, else the verdict."""
    if row["winner"] not in ("a", "b"):
        return row["winner"]
    preferred = _clip(row, row["winner"])
    if preferred not in clips or _clip(row, "b" if row["winner"] == "a" else "a") not in clips:
        raise UsageError(
            f"vote {row['vote_id']} is on other clips than the first vote on pair {row['pair_id']}",
            hint="a pair is two clips; the table of votes was mixed up",
        )
    return clips.index(preferred)


def _by_generator(pairs: list[PreferredPair], rules: PairRules, dropped: Counter[str]) -> list[PreferredPair]:
    if rules.same_generator == "any":
        return pairs
    own = [pair for pair in pairs if _one_generator(pair)]
    if rules.same_generator == "prefer":
        have = {pair.prompt_id for pair in own}
        own = [pair for pair in pairs if _one_generator(pair) or pair.prompt_id not in have]
    if len(own) < len(pairs):
        dropped["clips of two generators"] += len(pairs) - len(own)
    return own


def _one_generator(pair: PreferredPair) -> bool:
    return pair.chosen["model"] == pair.rejected["model"]


def _capped(pairs: Iterable[PreferredPair], rules: PairRules, dropped: Counter[str]) -> list[PreferredPair]:
    if rules.max_pairs_per_prompt is None:
        return list(pairs)
    kept: list[PreferredPair] = []
    taken: Counter[str] = Counter()
    for pair in sorted(pairs, key=lambda one: (-one.margin, -len(one.votes), one.pair_id)):
        if taken[pair.prompt_id] < rules.max_pairs_per_prompt:
            taken[pair.prompt_id] += 1
            kept.append(pair)
        else:
            dropped[f"more than {rules.max_pairs_per_prompt} pairs of a prompt"] += 1
    return kept
