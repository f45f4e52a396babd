"""How the finished small models compare, from runs over the same prompts and seeds:

python -m stepbench.training.variant_report --tiny RUN --tiny-turbo RUN --tiny-dpo RUN > scores.json

prints what `stepbench.training.tiny_card` writes the model cards from.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, UInt8

from stepbench.errors import NothingSelectedError
from stepbench.runs.run import Run, open_run
from stepbench.stats.paired import paired_difference
from stepbench.stats.set_metrics import set_metric_difference
from stepbench.training.obedience_report import graded_answers, table_of
from stepbench.training.simulated_annotator import LEAST_DIFFERENCE, annotator_score, outline_fit
from stepbench.training.tiny_stages import BASE, PREFERRED, TURBO
from stepbench.video import read_clip
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.scene import Scene

CLIP_METRICS = ("flicker", "motion_magnitude", "sharpness", "warping_error", "frame_consistency")
REFERENCE_SEED = 1_000_000
"""Added to a clip's seed for the real clip that its set is measured against."""
RESAMPLES = 300


@dataclass(frozen=True)
class MeasuredRun:
    """A run with what is known of its clips of one level: `graded_answers`, and per clip the annotator's score.

    Features are those of the `shapes` backbone, of the clips and of as many real clips of the same scenes.
    """

    run: Run
    clips: list[_Clip]
    answers: pd.DataFrame
    annotator_scores: list[float]
    features: Float32[np.ndarray, "clips d"]
    real_features: Float32[np.ndarray, "clips d"]


def measure(run: Run, *, level: int = 1) -> MeasuredRun:
    """Decodes every clip of a level.

    Raises:
        NothingSelectedError: Clips are missing, or none is of this level.
    """
    from metrics.backbones.shapes import load

    clips = _clips(run, level)
    answers = graded_answers(run, np.random.default_rng(0), level=level)
    right = dict.fromkeys((clip.name for clip in clips), 0.0)
    for row in answers.to_dict("records"):
        if row["attribute"] != "mean":
            right[row["clip"]] += row["right"]
    encoder = load()

    def features(frames: UInt8[np.ndarray, "t 3 h w"]) -> Float32[np.ndarray, "1 d"]:
        return encoder.features(torch.from_numpy(frames)[None]).numpy()

    scores, made, real = [], [], []
    for clip in clips:
        frames = read_clip(clip.file).frames
        scores.append(annotator_score(right[clip.name], outline_fit(frames)))
        made.append(features(frames))
        real.append(features(render(clip.world, REFERENCE_SEED + clip.name[1])))
    return MeasuredRun(run, clips, answers, scores, np.concatenate(made), np.concatenate(real))


def compare_with(base: MeasuredRun, other: MeasuredRun) -> list[dict[str, Any]]:
    """Differences of a variant from `tiny`, paired by scene; a caption and its translation are one scene.

    Args:
        base: Run of `tiny`.
        other: Run of the variant, over the same prompts and seeds.

    Returns:
        One row per measure: metric, tiny, variant, difference (variant - tiny) with its 95% interval (low, high), and
        `note`, which gives both ends in percent of tiny's value where one can be given.

    Raises:
        NothingSelectedError: The runs have other prompts or seeds.
    """
    if [clip.name for clip in base.clips] != [clip.name for clip in other.clips]:
        raise NothingSelectedError(
            f"{base.run.name} and {other.run.name} do not have the same prompts and seeds",
            hint="run both with the same suite, limit, languages and seeds",
        )
    rows = [_paired("caption accuracy", _accuracy(base), _accuracy(other)), *_annotated(base, other)]
    for metric in CLIP_METRICS:
        values, other_values = _metric_values(base, metric), _metric_values(other, metric)
        if values and other_values:
            rows.append(_paired(metric, values, other_values))
    return [*rows, _distance(base, other)]


@dataclass(frozen=True)
class _Clip:
    """A clip of a run.

    Attributes:
        name: Prompt and seed.
        scene: Name of what a caption and its translation have in common.
        world: What the clip ought to show.
    """

    name: tuple[str, int]
    sample_key: str
    file: Path
    scene: str
    world: Scene


ByScene = dict[str, float]


def _clips(run: Run, level: int) -> list[_Clip]:
    """Of one level, in plan order."""
    files = {row["sample_key"]: row["clip"] for row in run.samples().to_dict("records")}
    clips = []
    for key, prompt, seed in run.planned:
        world = Scene.from_json(prompt.ground_truth) if prompt.ground_truth else None
        if world is None or world.level != level:
            continue
        if not isinstance(files[key], str):
            raise NothingSelectedError(
                f"{run.name} has no clip of {prompt.id}, seed {seed}", hint="run the same command again to finish it"
            )
        clips.append(_Clip((prompt.id, seed), key, run.folder / files[key], prompt.pair_id or prompt.id, world))
    if not clips:
        raise NothingSelectedError(f"{run.name} has no prompts of level {level} with ground truth")
    return clips


def _accuracy(of: MeasuredRun) -> ByScene:
    rows = of.answers.to_dict("records")
    return _by_scene((row["scene"], row["right"]) for row in rows if row["attribute"] == "mean")


def _annotated(base: MeasuredRun, other: MeasuredRun) -> list[dict[str, Any]]:
    """Mean scores, and how often each side is preferred to the other at the same prompt and seed; ties are halved."""
    tiny, variant = np.array(base.annotator_scores), np.array(other.annotator_scores)
    difference = variant - tiny
    preferred = 0.5 + 0.5 * np.sign(np.where(np.abs(difference) < LEAST_DIFFERENCE, 0.0, difference))
    scenes = [clip.scene for clip in base.clips]
    sides = {
        "simulated annotator's score": (tiny, variant),
        "preferred by the simulated annotator": (1 - preferred, preferred),
    }
    return [
        _paired(name, *[_by_scene(zip(scenes, values, strict=True)) for values in both]) for name, both in sides.items()
    ]


def _metric_values(of: MeasuredRun, metric: str) -> ByScene:
    scores = {row["sample_key"]: row["value"] for row in of.run.scores().to_dict("records") if row["metric"] == metric}
    return _by_scene((clip.scene, scores[clip.sample_key]) for clip in of.clips if clip.sample_key in scores)


def _by_scene(values: Iterable[tuple[str, float]]) -> ByScene:
    found: dict[str, list[float]] = {}
    for scene, value in values:
        found.setdefault(scene, []).append(float(value))
    return {scene: float(np.mean(own)) for scene, own in found.items()}


def _paired(metric: str, tiny: ByScene, variant: ByScene) -> dict[str, Any]:
    values, others = list(tiny.values()), [variant.get(scene, np.nan) for scene in tiny]
    difference = paired_difference(values, others, rng=np.random.default_rng(0))
    means = float(np.mean(values)), float(np.mean(others))
    return _row(metric, *means, difference.low, difference.high, f"{difference.n} scenes")


def _distance(base: MeasuredRun, other: MeasuredRun) -> dict[str, Any]:
    from metrics.backbones.shapes import weights_hash
    from metrics.functional.frechet import frechet_distance

    width = base.features.shape[1]
    # Each clip stands beside the real one of its scene, so that a scene that is drawn twice is there twice on both
    # sides: against real clips that stay fixed, every resample would differ in scenes before it differs in quality.
    found = set_metric_difference(
        np.hstack([base.features, base.real_features]),
        np.hstack([other.features, base.real_features]),
        None,
        lambda rows, _: float(frechet_distance(rows[:, :width], rows[:, width:])),
        rng=np.random.default_rng(0),
        clusters=[clip.scene for clip in base.clips],
        draws=RESAMPLES,
        permutations=0,
    )
    note = f"{found.n} clips of {found.n_clusters} scenes against as many real ones; weights {weights_hash()}"
    return _row("FVD (shapes)", found.value_a, found.value_b, found.low, found.high, note)


def _row(metric: str, tiny: float, variant: float, low: float, high: float, note: str) -> dict[str, Any]:
    if tiny > 0:
        note = f"{low / tiny:+.1%} to {high / tiny:+.1%}; {note}"
    values = {"tiny": tiny, "variant": variant, "difference": variant - tiny, "low": low, "high": high}
    return {"metric": metric, **{name: float(value) for name, value in values.items()}, "note": note}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one JSON object: variant -> obedience, and differences from `tiny`."""
    parser = argparse.ArgumentParser(description="Scores of the small models, for their cards.")
    for name in (BASE, TURBO, PREFERRED):
        parser.add_argument(f"--{name}", dest=name, type=Path, required=name == BASE, help=f"run of step-video:{name}")
    folders = {name: folder for name, folder in vars(parser.parse_args(arguments)).items() if folder}
    runs = {name: measure(open_run(folder)) for name, folder in folders.items()}
    scores: dict[str, dict[str, Any]] = {}
    for name, run in runs.items():
        table = table_of(run.answers)
        scores[name] = {"obedience": json.loads(str(table.to_json(orient="records"))), "notes": []}
        if name != BASE:
            scores[name]["against_tiny"] = compare_with(runs[BASE], run)
    sys.stdout.write(json.dumps(scores, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
