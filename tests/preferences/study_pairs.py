"""Tables of pairs and a clock for tests of studies."""

from __future__ import annotations

from itertools import combinations
from typing import Any


class Clock:
    """Seconds since 1970, moved by the test."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


def pair_rows(count: int, models: tuple[str, ...] = ("alpha", "beta", "gamma"), **fields: Any) -> list[dict[str, Any]]:
    """So many pairs: prompts p0, p1 ..., each with every two of the models, until there are enough."""
    couples = list(combinations(models, 2))
    return [
        {
            "pair_id": f"pair-{number:03d}",
            "prompt_id": f"p{number // len(couples)}",
            "text": f"a toy, number {number // len(couples)}",
            "model_1": couples[number % len(couples)][0],
            "model_2": couples[number % len(couples)][1],
            "clip_1": f"clips/{number}-one.mp4",
            "clip_2": f"clips/{number}-two.mp4",
            **fields,
        }
        for number in range(count)
    ]
