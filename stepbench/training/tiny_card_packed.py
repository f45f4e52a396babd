"""A packed small model as its card tells of it, and whether its weights are from the runs that the card tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from reference_model.checkpoint.layout import ModelFolder, read_json
from reference_model.config import SamplingConfig
from reference_model.errors import ReferenceModelError
from stepbench.errors import UsageError
from stepbench.training.export import exported_step
from stepbench.training.tiny_card_runs import TrainingRun

CARD_FILE, CURVES_FILE = "README.md", "curves.png"
PARTS = {
    "transformer": "transformer",
    "vae": "VAE",
    "step_llm": "text encoder",
    "hunyuan_clip": "second text encoder",
}


@dataclass(frozen=True, kw_only=True)
class PackedModel:
    """What the folder of a packed variant says about itself.

    Attributes:
        name: `tiny`, `tiny-turbo` or `tiny-dpo`.
        sampling: Settings that it samples with.
        parameters: Part -> number of weights of the files in this folder alone.
        size: Bytes of its files.
    """

    name: str
    sampling: Mapping[str, Any]
    parameters: Mapping[str, int]
    size: int


def read_packed_model(folder: Path) -> PackedModel:
    """What a variant's folder holds; settings that it shares with another folder are read there.

    Raises:
        UsageError: A file is missing or damaged.
    """
    try:
        sampling = SamplingConfig.from_dict(read_json(ModelFolder(folder).sampling))
        counts = {title: _parameters(folder / part) for part, title in PARTS.items() if (folder / part).is_dir()}
        own = [file for file in folder.rglob("*") if file.is_file() and file.name not in (CARD_FILE, CURVES_FILE)]
        return PackedModel(
            name=folder.name,
            sampling=sampling.to_dict(),
            parameters={title: count for title, count in counts.items() if count},
            size=sum(file.stat().st_size for file in own),
        )
    except (ReferenceModelError, SafetensorError, OSError) as error:
        raise UsageError(f"{folder} is no packed model: {error}", hint="pack it again") from error


def check_weights(folder: Path, exported: Path, run: TrainingRun) -> None:
    """Stops where a card would tell of another training than the one that made the weights.

    Args:
        folder: The packed variant.
        exported: The model that it was packed from.
        run: The last one that made it.

    Raises:
        UsageError: The run has gone on since it was exported, or something else was packed.
    """
    step, between_rows = exported_step(exported), int(run.recipe["log_every"])
    if step is None or not run.steps <= step < run.steps + between_rows:
        state = "not there" if step is None else f"from step {step:,}"
        raise UsageError(
            f"{exported} is {state}, but the run is at step {run.steps:,}",
            hint="train on with the command that began it, which exports at its end, and pack again",
        )
    for file in sorted(folder.rglob("*.safetensors")):
        origin = exported / file.relative_to(folder)
        if not origin.is_file() or origin.read_bytes() != file.read_bytes():
            raise UsageError(f"{file} is not what {exported} holds", hint="pack again, then write the cards")


def _parameters(folder: Path) -> int:
    total = 0
    for file in sorted(folder.rglob("*.safetensors")):
        with safe_open(file, framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118
                total += prod(weights.get_slice(name).get_shape())
    return total
