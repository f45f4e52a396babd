"""From a finished training run to the files that ship: weights, card and card for people.

    python -m stepbench.training.shapes_export --out training/shapes

trains the `shapes` backbone in that folder, or goes on with it, then measures it and writes it into the package.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save

from metrics.backbones.shapes import NAME, WEIGHTS, ShapesEncoder, load, metadata_of
from metrics.backbones.shapes_video import POLICY
from reference_model.training.checkpoints import load_state
from reference_model.training.loop import CHECKPOINTS, train
from reference_model.training.run_folder import RECIPE_FILE
from stepbench.errors import ExitCode, UsageError
from stepbench.training.export import fill
from stepbench.training.launch import choose_device
from stepbench.training.shapes import ShapesRecipe, ShapesTask
from stepbench.training.shapes_card import card_page
from stepbench.training.shapes_distances import distance_table
from stepbench.training.shapes_scores import (
    GALLERY,
    attribute_answers,
    drawn_clip,
    drawn_scene,
    gallery_answers,
    shares,
)
from stepbench.worlds.moving_shapes.scene import WORLD_VERSION

SCALED_ON = 1024
"""Clips of the training split that give every feature its mean and spread."""


def export_encoder(run: Path, weights: Path = WEIGHTS) -> dict[str, Any]:
    """Writes the averaged weights of the newest checkpoint as float16, and their card as JSON.

    Returns:
        The card, without scores.

    Raises:
        UsageError: The folder holds no run of this recipe, or one without a checkpoint.
    """
    recipe = _recipe_of(run)
    state = load_state(run / CHECKPOINTS)
    if state is None:
        raise UsageError(f"{run} holds no checkpoint", hint="train first")
    encoder = ShapesTask(recipe).model.eval()
    fill(encoder, state.tensors["ema"])
    _scale_features(encoder, recipe)
    tensors = {name: value.to(torch.float16).contiguous() for name, value in encoder.state_dict().items()}
    content = save(tensors, metadata_of(encoder))
    card = {
        "name": NAME,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(value.numel() for value in encoder.parameters()),
        "feature_dimensions": encoder.video.feature_dimensions,
        "embedding_dimensions": encoder.config.embedding,
        "vocabulary": len(encoder.tokenizer.vocabulary),
        "policy": POLICY,
        "world": f"moving_shapes {WORLD_VERSION}",
        "recipe": recipe.to_dict(),
        "compute": {"steps": state.step, "clips": state.step * recipe.batch_size, **_hours(run)},
    }
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(content)
    _write_card(card, weights)
    return card


def score_weights(weights: Path = WEIGHTS, *, clips: int = 512) -> dict[str, Any]:
    """Measures exported weights on the test split, and adds the figures to their card and its page.

    Args:
        weights: Of `export_encoder`.
        clips: Held-out clips per level, and in each set of the distances.

    Returns:
        The card.
    """
    encoder = load(weights)
    card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    answers = pd.concat([attribute_answers(encoder, range(clips), level=level) for level in (1, 2, 3)])
    numbers = range(max(1, clips // GALLERY))
    galleries = [gallery_answers(encoder, numbers, levels=(level,)).assign(level=level) for level in (1, 2, 3)]
    card["scores"] = {
        "attributes": _records(shares(answers, ("level", "language", "attribute"))),
        "caption among 64": _records(shares(pd.concat(galleries), ("level", "language"))),
        "distances": {"clips": clips, "table": _records(distance_table(encoder, clips))},
    }
    _write_card(card, weights)
    weights.with_suffix(".md").write_text(card_page(card), encoding="utf-8")
    return card


def main(arguments: list[str] | None = None) -> int:
    """Trains until the recipe's end or the time is up; at the end, exports and scores."""
    parser = argparse.ArgumentParser(description="Train the `shapes` backbone of the metrics.")
    parser.add_argument("--out", type=Path, default=Path("training/shapes"), help="folder of the run")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--max-seconds", type=float, help="stop after about so long; the same command continues")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where they go; the package unless told")
    options = parser.parse_args(arguments)
    recipe = ShapesRecipe()
    task = ShapesTask(recipe, choose_device(options.device))
    if train(task, recipe, options.out, max_seconds=options.max_seconds) < recipe.steps:
        return ExitCode.INCOMPLETE
    export_encoder(options.out, options.weights)
    score_weights(options.weights)
    return ExitCode.OK


def _recipe_of(run: Path) -> ShapesRecipe:
    file = run / RECIPE_FILE
    described: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if described.pop("recipe", None) != ShapesRecipe.__name__:
        raise UsageError(f"{run} holds no run of the shapes recipe", hint=f"its {RECIPE_FILE} would say so")
    return ShapesRecipe(**described)


@torch.no_grad()
def _scale_features(encoder: ShapesEncoder, recipe: ShapesRecipe) -> None:
    scenes = [drawn_scene("train", recipe.levels, number) for number in range(SCALED_ON)]
    raw = torch.cat([encoder.features(drawn_clip(scene, number)) for number, scene in enumerate(scenes)])
    spread = raw.std(dim=0)
    encoder.feature_mean.copy_(raw.mean(dim=0))
    # A dimension that hardly moves on real clips must not outweigh the others on unreal ones.
    encoder.feature_spread.copy_(spread.clamp(min=0.1 * float(spread.median())))


def _hours(run: Path) -> dict[str, Any]:
    with (run / "log.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(int(row["step"]), float(row["seconds"])) for row in csv.DictReader(stream) if row.get("seconds")]
    mean = sum(seconds for _, seconds in rows) / len(rows)
    return {
        "minutes": round(mean * rows[-1][0] / 60, 1),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(str(table.round(4).to_json(orient="records")))


def _write_card(card: dict[str, Any], weights: Path) -> None:
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    weights.with_suffix(".json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
