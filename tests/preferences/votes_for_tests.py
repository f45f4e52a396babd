"""Tables of votes made by hand, with the columns of `Study.votes()`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stepbench.preferences.formats.votes_table import votes_frame


def vote(
    prompt: str,
    winner: str | None,
    *,
    models: tuple[str, str] = ("m1", "m2"),
    annotator: str = "ann-1",
    swapped: bool = False,
    dimension: str = "overall",
    **more: Any,
) -> dict[str, Any]:
    """A vote on the pair of two models' clips of a prompt; `winner` is a side: "a" is on the left.

    `swapped` puts the second model's clip on the left.
    """
    left, right = models[::-1] if swapped else models
    pair = "-".join([prompt, *sorted(models)])
    sides: dict[str, Any] = {}
    for side, model in (("a", left), ("b", right)):
        sides |= {
            f"model_{side}": model,
            f"run_{side}": f"run-{model}",
            f"seed_{side}": 0,
            f"sample_key_{side}": f"{prompt}-{model}",
            f"clip_{side}": f"clips/{prompt}-{model}.mp4",
            f"clip_sha256_{side}": f"{prompt}-{model}".encode().hex().ljust(64, "0")[:64],
            f"frames_{side}": 17,
            f"fps_{side}": 8.0,
        }
    row = {
        "vote_id": f"v-{pair}-{annotator}",
        "pair_id": pair,
        "kind": "real",
        "dimension": dimension,
        "winner": winner,
        "prompt_id": prompt,
        "text": f"a text for {prompt}",
        "language": "en",
        "category": "animals",
        "annotator": annotator,
        "simulated": False,
        "propensity": 1.0,
        "started_at": "2026-01-02T03:04:05.250000+00:00",
        "submitted_at": "2026-01-02T03:04:15.500000+00:00",
        "reasons": [],
    }
    return row | sides | more


def rating(prompt: str, value: int, clip: str, **more: Any) -> dict[str, Any]:
    """A rating from 1 to 5 of the clip on one side."""
    return vote(prompt, None, rating=float(value), rated_clip=clip, **{"dimension": "motion_smoothness", **more})


def table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows as the table that `Study.votes()` returns."""
    return votes_frame(rows)


def random_votes(seed: int, *, prompts: int = 8, annotators: int = 3, models: int = 3) -> pd.DataFrame:
    """Votes of every kind: all verdicts, both sides, ratings, skips, gold pairs, excluded and simulated annotators."""
    rng = np.random.default_rng(seed)
    names = [f"m{number}" for number in range(models)]
    rows: list[dict[str, Any]] = []
    pairs: dict[str, dict[str, Any]] = {}
    for number in range(prompts):
        for who in range(annotators):
            one, two = (str(name) for name in rng.choice(names, size=2, replace=False))
            kind = str(rng.choice(["real", "real", "real", "gold", "repeat"]))
            shared: dict[str, Any] = {
                "models": tuple(sorted((one, two))),
                "annotator": f"ann-{who}",
                "swapped": bool(rng.integers(2)),
                "simulated": who == 0,
                "excluded": "gold_pass_rate" if who == 2 else None,
                "category": str(rng.choice(["animals", 'a "quoted", one', "动物"])),
                "text": f"a text\nfor {number}, with 'quotes'",
                "reasons": [str(name) for name in rng.choice(["flicker", "physics"], size=rng.integers(3))],
                "watch_a_s": float(rng.random()) if rng.random() < 0.5 else float("nan"),
                "pair_group": f"g{number // 2}" if rng.random() < 0.5 else None,
                "language": None if rng.random() < 0.2 else "en",
            }
            # What a pair is does not depend on who votes on it.
            pair = "-".join([f"p{number}", *sorted((one, two))])
            own = {name: shared[name] for name in ("category", "pair_group", "language")} | {"kind": kind}
            shared |= pairs.setdefault(pair, own)
            verdict = str(rng.choice(["a", "b", "tie", "both_bad", "skip"]))
            rows.append(vote(f"p{number}", verdict, **shared))
            if verdict != "skip" and rng.random() < 0.5:
                rows += [rating(f"p{number}", int(rng.integers(1, 6)), clip, **shared) for clip in "ab"]
    return table(rows)
