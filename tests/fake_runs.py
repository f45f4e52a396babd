"""Finished runs in memory, for tests of what compares runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DIRECTIONS = {"quality": "higher", "flicker": "lower", "motion": "neutral"}


@dataclass
class FakeRun:
    """A finished run in memory: `values[metric][prompt_id, seed]`, NaN for a failed score."""

    name: str
    values: dict[str, dict[tuple[str, int], float]]
    prompts: pd.DataFrame
    seeds: tuple[int, ...] = (0, 1)
    settings: dict[str, Any] = field(default_factory=lambda: {"frames": 8})
    version: int = 1

    @property
    def generator_name(self) -> str:
        return f"world:{self.name}"

    @property
    def info(self) -> dict[str, Any]:
        cards = {
            f"{name}@{self.version}": {
                "name": name,
                "direction": DIRECTIONS.get(name, "higher"),
                "unit": "dB",
                "level": "set" if name == "fvd" else "clip",
            }
            for name in self.values
            if name != "cardless"
        }
        suite = {"name": "shapes", "version": "1", "hash": "abc"}
        return {
            "suite": suite,
            "settings": self.settings,
            "metric_cards": cards,
            "status": "complete",
            "created_at": "2026-01-01T00:00:00+00:00",
        }

    @property
    def metric_cards(self) -> dict[str, dict[str, Any]]:
        return self.info["metric_cards"]

    @property
    def folder(self) -> Path:
        return Path("runs") / self.name

    def samples(self) -> pd.DataFrame:
        table = self.prompts.merge(pd.DataFrame({"seed": self.seeds}), how="cross")
        return table.assign(outcome="ok", seconds_total=2.0)

    def scores(self) -> pd.DataFrame:
        families = dict(zip(self.prompts["prompt_id"], self.prompts["pair_id"], strict=True))
        rows = [
            {
                "prompt_id": key[0],
                "seed": key[1],
                "pair_id": families[key[0]],
                "metric": metric,
                "metric_id": f"{metric}@{self.version}",
                "value": -1e9 if np.isnan(value) else value,  # no number of a failed score may ever count
                "status": "failed" if np.isnan(value) else "ok",
                "error": "it broke" if np.isnan(value) else None,
            }
            for metric, values in self.values.items()
            for key, value in values.items()
        ]
        return pd.DataFrame(
            rows, columns=["prompt_id", "seed", "pair_id", "metric", "metric_id", "value", "status", "error"]
        )

    def set_scores(self) -> pd.DataFrame:
        return pd.DataFrame(columns=["metric", "metric_id"])


def prompts(n: int, *, families: bool = False) -> pd.DataFrame:
    ids = [f"p{i:03}" for i in range(n)]
    return pd.DataFrame(
        {
            "prompt_id": ids,
            "text": [f"text of {key}" for key in ids],
            "language": ["en" if i % 2 == 0 else "zh" for i in range(n)],
            "category": ["sports" if i < n // 2 else "food" for i in range(n)],
            "pair_id": [f"f{i // 2}" if families else None for i in range(n)],
        }
    )


def run(
    name: str, table: pd.DataFrame, seed: int, shift: float = 0.0, metrics=("quality", "flicker", "motion"), **kwargs
):
    """Scores with a prompt effect shared by all runs, some noise of the run's own, and a shift."""
    prompt_effect = np.random.default_rng(99).normal(size=len(table))
    rng = np.random.default_rng(seed)
    values = {
        metric: {
            (key, s): float(effect + shift + 0.3 * rng.normal())
            for key, effect in zip(table["prompt_id"], prompt_effect, strict=True)
            for s in (0, 1)
        }
        for metric in metrics
    }
    return FakeRun(name, values, table, **kwargs)
