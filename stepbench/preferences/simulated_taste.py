"""What simulated annotators like, and how a like becomes the answers that a protocol asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stepbench.canonical import sha256_json
from stepbench.errors import UsageError
from stepbench.preferences.protocol import Protocol, Question
from stepbench.preferences.records import OVERALL

if TYPE_CHECKING:
    from stepbench.preferences.simulate import Population

DIMENSION_SD = 0.5
"""How far the answers about one dimension stray from what is liked altogether."""
RATING_STEP = 1.2
"""Utility that makes one point of a rating."""


@dataclass(frozen=True)
class Taste:
    """Utility of each clip, in log-odds: (pair id, "1" or "2") -> number."""

    utilities: Mapping[tuple[str, str], float]
    seed: int

    def effect(self, sd: float, *key: str) -> float:
        """A normal number with this standard deviation that depends on seed and key alone."""
        digest = sha256_json([self.seed, *key])
        words = [int(digest[place : place + 8], 16) for place in range(0, 64, 8)]
        return sd * float(np.random.default_rng(words).standard_normal())


def taste_of(
    seed: int,
    pairs: Mapping[str, Mapping[str, Any]],
    strengths: Mapping[str, float] | None,
    utilities: Mapping[tuple[str, str], float] | None,
) -> Taste:
    """Utilities of all clips, from scores, from strengths, or drawn by seed.

    Raises:
        UsageError: A model without a strength, or a real pair without utilities.
    """
    models = sorted({row[f"model_{side}"] for row in pairs.values() for side in ("1", "2")})
    if utilities is not None:
        lacking = [key for key, row in pairs.items() if row["kind"] == "real" and (key, "1") not in utilities]
        if lacking:
            raise UsageError(f"{len(lacking)} pairs have no score, the first is {lacking[0]}")
        return Taste(dict(utilities), seed)
    if strengths is None:
        drawn = Taste({}, seed)
        strengths = {model: drawn.effect(1.0, "strength", model) for model in models}
    unknown = sorted(set(models) - set(strengths))
    if unknown:
        raise UsageError(
            f"no strength is given for {', '.join(unknown)}", hint=f"for example --strength {unknown[0]}=0.5"
        )
    sides = {(key, side): float(strengths[row[f"model_{side}"]]) for key, row in pairs.items() for side in ("1", "2")}
    return Taste(sides, seed)


def answer_of(
    protocol: Protocol,
    population: Population,
    taste: Taste,
    pair: Mapping[str, Any],
    left: str,
    annotator: str,
    rng: np.random.Generator,
    *,
    careless: bool,
) -> tuple[dict[str, str] | None, dict[str, dict[str, int]] | None]:
    """One annotator's answers to all questions about a pair: winner by dimension, ratings by clip.

    Args:
        left: "1" or "2": the clip that stands on the left.
    """
    utility = _utilities(population, taste, pair, annotator, careless)
    a, b = utility[left], utility["2" if left == "1" else "1"]
    side = 0.0 if careless else population.side_bias
    winners = {
        question.id: _winner(question, a - b + side + _stray(question, rng), population.tie_share, rng)
        for question in protocol.pairwise
    }
    ratings: dict[str, dict[str, int]] = {"a": {}, "b": {}}
    for question in protocol.ratings:
        for name, value in (("a", a), ("b", b)):
            stray = DIMENSION_SD * float(rng.standard_normal())
            ratings[name][question.id] = int(np.clip(np.round(3 + value / RATING_STEP + stray), 1, 5))
    return winners or None, ratings if protocol.ratings else None


def _utilities(
    population: Population, taste: Taste, pair: Mapping[str, Any], annotator: str, careless: bool
) -> dict[str, float]:
    """Utility of clip 1 and clip 2 for this annotator and prompt."""
    if careless:
        return {"1": 0.0, "2": 0.0}
    if pair["expected"]:
        other = "2" if pair["expected"] == "1" else "1"
        return {pair["expected"]: population.gold_advantage / 2, other: -population.gold_advantage / 2}
    key = pair["repeat_of"] or pair["pair_id"]
    utility = {side: taste.utilities[key, side] for side in ("1", "2")}
    for side in ("1", "2"):
        model = pair[f"model_{side}"]
        if pair["model_1"] == pair["model_2"]:
            model = f"{model}, seed {pair[f'seed_{side}']}"
        # Halved variance on each clip gives the difference the standard deviation that was asked for.
        utility[side] += taste.effect(population.prompt_sd / np.sqrt(2), "prompt", pair["prompt_id"], model)
        utility[side] += taste.effect(population.annotator_sd / np.sqrt(2), "annotator", annotator, model)
    return utility


def _winner(question: Question, x: float, tie_share: float, rng: np.random.Generator) -> str:
    ties = 2 * tie_share / (1 - tie_share) if "tie" in question.choices else 0.0
    weights = np.array([np.exp(x / 2), np.exp(-x / 2), ties])
    return str(rng.choice(["a", "b", "tie"], p=weights / weights.sum()))


def _stray(question: Question, rng: np.random.Generator) -> float:
    return 0.0 if question.id == OVERALL else DIMENSION_SD * float(rng.standard_normal())
