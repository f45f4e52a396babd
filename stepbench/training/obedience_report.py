"""How well a run obeyed the captions of the moving-shapes world, attribute by attribute:

python -m stepbench.training.obedience_report runs/ID
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from stepbench.errors import NothingSelectedError
from stepbench.runs.run import Run, open_run
from stepbench.stats.intervals import mean_interval
from stepbench.training.obedience import GRADED
from stepbench.video import read_clip
from stepbench.worlds.moving_shapes.checker import attributes_of, check_clip
from stepbench.worlds.moving_shapes.scene import COLOURS, DIRECTIONS, SHAPES, SIZES, SPEEDS, Scene

CHANCE = {
    "colour": 1 / len(COLOURS),
    "shape": 1 / len(SHAPES),
    "size": 1 / len(SIZES),
    "direction": 1 / len(DIRECTIONS),
    "speed": 1 / len(SPEEDS),
}
"""Share of right answers of a model that draws a world's clip at random, whatever the caption."""


def obedience_table(run: Run, rng: np.random.Generator, *, level: int = 1) -> pd.DataFrame:
    """Right answers per attribute over the clips of one level.

    Args:
        run: Of prompts with ground truth.
        rng: Deals the captions anew for the column `shuffled`.
        level: Of the scenes.

    Returns:
        One row per attribute and one for their mean: `share` with its interval over scenes (`low`, `high`; a caption
        and its translation are one scene), `chance`, `shuffled` (the same clips against other scenes of the run),
        `share_<language>`, and `clips`, the number of clips that have an answer. A missing clip counts as wrong.

    Raises:
        NothingSelectedError: No scene of this level in the run.
    """
    return table_of(graded_answers(run, rng, level=level))


def table_of(answers: pd.DataFrame) -> pd.DataFrame:
    """`obedience_table` from `graded_answers`."""
    rows = []
    for name, own in answers.groupby("attribute", sort=False):
        estimate = mean_interval(own["right"], own["scene"])
        languages = {f"share_{language}": part["right"].mean() for language, part in own.groupby("language")}
        rows.append(
            {
                "attribute": name,
                "share": estimate.estimate,
                # A t interval knows nothing of the ends of the scale.
                "low": float(np.clip(estimate.low, 0, 1)),
                "high": float(np.clip(estimate.high, 0, 1)),
                "chance": CHANCE.get(str(name), float(np.mean(list(CHANCE.values())))),
                "shuffled": own["shuffled"].mean(),
                **languages,
                "clips": len(own),
            }
        )
    return pd.DataFrame(rows)


def graded_answers(run: Run, rng: np.random.Generator, *, level: int = 1) -> pd.DataFrame:
    """Answers clip by clip; arguments and errors as of `obedience_table`.

    Returns:
        One row per clip and attribute that was asked for, and one for their mean: clip (prompt and seed), scene,
        language, attribute, right, shuffled.
    """
    answers = _with_mean(pd.DataFrame(_answers(run, level, rng)))
    if answers.empty:
        raise NothingSelectedError(f"{run.name} has no prompts of level {level} with ground truth")
    return answers


def _answers(run: Run, level: int, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    planned = [(key, prompt, seed) for key, prompt, seed in run.planned if prompt.ground_truth]
    scenes = [(prompt, seed, Scene.from_json(prompt.ground_truth or {})) for _, prompt, seed in planned]
    chosen = [(prompt, seed, scene) for prompt, seed, scene in scenes if scene.level == level]
    others = [chosen[index][2] for index in rng.permutation(len(chosen))]
    for (prompt, seed, scene), other in zip(chosen, others, strict=True):
        clip = run.clip(prompt.id, seed)
        frames = None if clip is None else read_clip(clip).frames
        right, shuffled = _graded(frames, scene), _graded(frames, other)
        for name in right:
            yield {
                "clip": (prompt.id, seed),
                "scene": prompt.pair_id or prompt.id,
                "language": prompt.language,
                "attribute": name,
                "right": right[name],
                "shuffled": shuffled.get(name, np.nan),
            }


def _graded(frames: UInt8[np.ndarray, "t 3 h w"] | None, scene: Scene) -> dict[str, float]:
    asked: Sequence[str] = [name for name in GRADED if name in attributes_of(scene)]
    if frames is None:
        return dict.fromkeys(asked, 0.0)
    answers = check_clip(frames, scene)
    return {name: float(answers[name]) for name in asked}


def _with_mean(answers: pd.DataFrame) -> pd.DataFrame:
    """With rows `mean`: each clip's mean over the attributes it has an answer for."""
    if answers.empty:
        return answers
    keys = ["clip", "scene", "language"]
    means = answers.pivot_table(["right", "shuffled"], index=keys, sort=False).reset_index()
    return pd.concat([answers, means.assign(attribute="mean")])


def main(folders: Sequence[str]) -> int:
    """Prints one table per run."""
    for folder in folders:
        table = obedience_table(open_run(Path(folder)), np.random.default_rng(0))
        sys.stdout.write(f"{folder}\n{table.to_string(index=False, float_format=lambda value: f'{value:.3f}')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
