"""A board of made-up numbers of any size, in the board's own format: for measuring the pages, and for nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stepbench import __version__
from stepbench.board.advisories import advisories_of
from stepbench.board.covariances import packed
from stepbench.board.data_folder import ROWS_PER_GROUP, RUN_COLUMNS, with_texts, write_json
from stepbench.board.folder import BoardFolder
from stepbench.board.pairs import NUMBERS, PAIR_COLUMNS
from stepbench.provenance import now

CATEGORIES = ("animals", "architecture", "camera", "food", "people", "scenery", "sports", "vehicles")
LANGUAGES = ("en", "zh")
COMPARED = 20
TABLE = "made-up"


def make_board(folder: Path, *, runs: int, prompts: int, metrics: int, seed: int = 0) -> None:
    """Write a board without clips whose every number is drawn at random.

    Args:
        folder: A new folder.
        runs: Number of runs, all in one table.
        prompts: Prompts per run, one seed each.
        metrics: Metrics per run.
        seed: Same seed, same board.
    """
    rng = np.random.default_rng(seed)
    board = BoardFolder(folder)
    data = folder / "data-made-up"
    for place in (data, board.parts, board.pairs, board.clips):
        place.mkdir(parents=True)
    names = [f"run-{number:04}" for number in range(runs)]
    cards = {card["id"]: card for card in map(_card, range(metrics))}
    quality = rng.normal(size=(runs, metrics))
    samples = _samples(prompts)
    for place, name in enumerate(names):
        part = board.parts / name
        part.mkdir()
        samples.assign(seconds_total=rng.gamma(9.0, 1.0, size=prompts)).to_parquet(
            part / "samples.parquet", index=False
        )
        _scores(samples, list(cards), quality[place], rng).to_parquet(part / "scores.parquet", index=False)
    _write(data / "runs.parquet", _runs(names, prompts, rng))
    _write(data / "summary.parquet", pd.concat(_summary(names, prompts, list(cards), quality, rng), ignore_index=True))
    _write(data / "pairs.parquet", _pairs(names[:COMPARED], list(cards), prompts, rng))
    _write(data / "covariances.parquet", _covariances(names, metrics, rng))
    table: dict[str, Any] = {
        "table_id": TABLE,
        "suite": {"name": "made-up", "version": "1", "hash": "0" * 64},
        "n_prompts": prompts,
        "seeds": [0],
        "negative_prompt": "",
        **dict.fromkeys(("frames", "width", "height", "fps")),
        "n_samples": prompts,
        "categories": list(CATEGORIES),
        "languages": list(LANGUAGES),
        "metric_ids": list(cards),
        "runs": names,
        "compared": names[:COMPARED],
    }
    for name, value in {
        "tables": [table],
        "cards": cards,
        "advisories": advisories_of(cards),
        "gates": [],
        "studies": [],
    }.items():
        write_json(data / f"{name}.json", value)
    counts = {"runs": runs, "left_out": 0, "tables": 1, "clips": 0}
    board.publish({"kind": "stepbench board", "stepbench": __version__, "built_at": now(), "data": data.name, **counts})


def _card(number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("formula", "source", "sees", "blind_to"), "made up for a benchmark")
    name = f"made_up_{number:02}"
    about = {"unit": "points", "family": "made up", "policy": "none", "level": "clip", "version": 1}
    direction = "lower" if number % 4 == 3 else "higher"
    return {
        "id": f"{name}@1:none",
        "name": name,
        "title": f"Made-up {number:02}",
        "direction": direction,
        **about,
        **texts,
    }


def _samples(prompts: int) -> pd.DataFrame:
    number = np.arange(prompts)
    fixed = {"outcome": "ok", "error": None, "clip": None, "no_clip": "made-up board", "frames": 17, "fps": 8.0}
    return pd.DataFrame(
        {
            "prompt_id": [f"p{index:04}" for index in number],
            "seed": 0,
            "text": [f"made-up prompt number {index} about nothing in particular" for index in number],
            "language": [LANGUAGES[index % 2] for index in number],
            "category": [CATEGORIES[index % len(CATEGORIES)] for index in number],
            "unit": [f"p{index:04}" for index in number],
            **fixed,
            "height": 64,
            "width": 64,
        }
    )


def _scores(
    samples: pd.DataFrame, metric_ids: Sequence[str], quality: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    prompts, metrics = len(samples), len(metric_ids)
    values = quality + rng.normal(size=(prompts, metrics))
    return pd.DataFrame(
        {
            "prompt_id": np.repeat(samples.prompt_id.to_numpy(), metrics),
            "seed": 0,
            "metric_id": list(metric_ids) * prompts,
            "value": values.ravel(),
            "status": "ok",
            "error": None,
        }
    )


def _runs(names: Sequence[str], prompts: int, rng: np.random.Generator) -> pd.DataFrame:
    seconds = rng.gamma(9.0, 1.0, size=len(names))
    days = pd.date_range("2025-01-01", periods=len(names), freq="5h", tz="UTC")
    frame = pd.DataFrame(
        {
            "run": names,
            "label": [f"made-up model {index // 10} ({name})" for index, name in enumerate(names)],
            "generator": [f"made-up model {index // 10}" for index in range(len(names))],
            "on_board": True,
            "status": "complete",
            "table_id": TABLE,
            "part": names,
            "badge": "self-reported",
            "run_id": names,
            "licence": "made up",
            "description": "numbers drawn at random",
            "suite": "made-up",
            "settings": "{}",
            "seeds": "[0]",
            "created_at": [day.isoformat() for day in days],
            "updated_at": [day.isoformat() for day in days],
            "n_planned": prompts,
            "n_ok": prompts,
            **dict.fromkeys(("n_failed", "n_refused", "n_missing"), 0),
            "seconds": seconds,
            "seconds_low": seconds * 0.95,
            "seconds_high": seconds * 1.05,
            "stages": json.dumps({"denoise": 6.0, "decode": 2.0}),
            "peak_memory_bytes": 2.0**33,
        }
    )
    return frame.reindex(columns=list(RUN_COLUMNS))


def _cuts() -> list[tuple[str, str, float]]:
    """Cut, group and share of the prompts, in the order in which a build writes them."""
    cuts = [("all", "", 1.0)]
    cuts += [("category", category, 1 / len(CATEGORIES)) for category in CATEGORIES]
    return cuts + [("language", language, 0.5) for language in LANGUAGES]


def _summary(
    names: Sequence[str], prompts: int, metric_ids: Sequence[str], quality: np.ndarray, rng: np.random.Generator
) -> Iterator[pd.DataFrame]:
    runs, metrics = quality.shape
    # Ranks as evidence would leave them: about one run in ten cannot be told from its neighbours.
    place = quality.argsort(axis=0)[::-1].argsort(axis=0) + 1
    spread = max(runs // 20, 1)
    for cut, group, share in _cuts():
        n = max(int(prompts * share), 2)
        mean = quality + rng.normal(scale=n**-0.5, size=quality.shape)
        half = 1.97 * n**-0.5
        frame = pd.DataFrame(
            {
                "table_id": TABLE,
                "run": np.repeat(names, metrics),
                "metric_id": list(metric_ids) * runs,
                "cut": cut,
                "group": group,
                **dict.fromkeys(("n_planned", "n_scored"), n),
                **dict.fromkeys(("n_failed", "n_refused"), 0),
                "coverage": 1.0,
                "n_units": n,
                "mean": mean.ravel(),
                "low": mean.ravel() - half,
                "high": mean.ravel() + half,
                "method": "made up",
                "rank_low": np.maximum(place.ravel() - spread, 1).astype(float),
                "rank_high": np.minimum(place.ravel() + spread, runs).astype(float),
                "n_ranked": runs,
            }
        )
        yield with_texts(frame)


def _pairs(names: Sequence[str], metric_ids: Sequence[str], prompts: int, rng: np.random.Generator) -> pd.DataFrame:
    keys = [
        (TABLE, a, b, metric_id, cut, group)
        for index, a in enumerate(names)
        for b in names[index + 1 :]
        for cut, group, _ in _cuts()
        for metric_id in metric_ids
    ]
    frame = pd.DataFrame(keys, columns=list(PAIR_COLUMNS[:6]))
    numbers = pd.DataFrame(rng.normal(size=(len(frame), len(NUMBERS))), columns=list(NUMBERS))
    p = rng.random(len(frame))
    wins = rng.integers(0, prompts, size=len(frame)).astype(float)
    fixed = {"n": float(prompts), "p": p, "p_adjusted": p, "verdict": "not separable", "ties": 0.0, "problem": None}
    numbers = numbers.assign(
        low=numbers.difference - 0.1, high=numbers.difference + 0.1, wins=wins, losses=prompts - wins
    )
    return pd.concat([frame, numbers.assign(**fixed)], axis=1).loc[:, list(PAIR_COLUMNS)]


def _covariances(names: Sequence[str], metrics: int, rng: np.random.Generator) -> pd.DataFrame:
    root = rng.normal(size=(metrics, metrics)) * 0.01
    matrix = packed(root @ root.T)
    rows = [(TABLE, cut, group, name, matrix) for cut, group, _ in _cuts() for name in names]
    return pd.DataFrame(rows, columns=["table_id", "cut", "group", "run", "covariance"])


def _write(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False, row_group_size=ROWS_PER_GROUP)
