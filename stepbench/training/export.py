"""Averaged weights of a training run as a model folder in the released layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.errors import CheckpointError
from reference_model.training.checkpoints import load_state
from reference_model.training.recipe import TrainingRecipe
from stepbench.errors import UsageError
from stepbench.runs.journal import saving
from stepbench.training.request import PreparedStage, TrainingRequest

ORIGIN_FILE = "training.json"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_export_folder(request: TrainingRequest) -> None:
    """Stops before any work where an export would overwrite something else.

    Raises:
        UsageError: The folder has files and is no earlier export, or is one that this training needs.
    """
    folder = request.export
    if folder is None:
        return
    for needed in (request.out, Path(request.model), Path(request.data), *([request.vae] if request.vae else [])):
        if needed.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"--export {folder} would overwrite {needed}", hint="give a new folder")
    if not folder.exists() or (folder.is_dir() and exported_step(folder) is not None):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UsageError(f"--export {folder} is not empty, and no earlier export", hint="give a new folder")


def exported_step(folder: Path) -> int | None:
    """The step that an earlier export is from; None if there is none."""
    try:
        return int(_origin(folder)["step"])
    except (ValueError, KeyError, TypeError):
        return None


def is_exported(request: TrainingRequest, step: int, recipe: TrainingRecipe) -> bool:
    """Whether the request's export is there already, of this step and recipe and with weights of its type."""
    if request.export is None:
        return True
    origin, settings = _origin(request.export), json.loads(json.dumps(recipe.to_dict()))
    return (
        exported_step(request.export) == step
        and origin.get("dtype") == request.export_dtype
        and origin.get("recipe") == settings
    )


def _origin(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / ORIGIN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def export_run(request: TrainingRequest, prepared: PreparedStage, folder: Path, record: Mapping[str, Any]) -> Path:
    """Writes the averaged weights of the newest checkpoint; an earlier export is replaced once all is written.

    Args:
        request: Whose run folder has the checkpoint.
        prepared: Knows where weights belong.
        folder: Where to.
        record: Goes to `training.json`.

    Raises:
        UsageError: There is no checkpoint yet.
        IncompleteError: The folder cannot be written.
    """
    state = load_state(request.out / "checkpoints")
    if state is None:
        raise UsageError(f"nothing to export: {request.out} has no checkpoint yet", hint="train at least one step")
    partial = folder.with_name(f".{folder.name}.partial")
    with saving(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        prepared.export(state.tensors["ema"], partial)
        text = json.dumps({**record, "step": state.step, "dtype": request.export_dtype}, indent=1, ensure_ascii=False)
        (partial / ORIGIN_FILE).write_text(text + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    return folder


def copy_other_parts(source: Path, target: Path, *, without: str) -> None:
    """Copies a model folder but for one part, such as `vae`."""
    for entry in sorted(source.iterdir()):
        if entry.name in (without, ORIGIN_FILE):
            continue
        if entry.is_dir():
            shutil.copytree(entry, target / entry.name)
        else:
            shutil.copyfile(entry, target / entry.name)


@torch.no_grad()
def fill(model: nn.Module, weights: Mapping[str, Tensor], share: float = 1.0) -> None:
    """Copies weights into the parameters of their names; others stay.

    Args:
        model: Whose parameters are changed.
        weights: By name.
        share: How far the parameters go from where they are to these weights.

    Raises:
        CheckpointError: If there is no such parameter.
    """
    parameters = dict(model.named_parameters())
    unknown = sorted(weights.keys() - parameters.keys())
    if unknown:
        raise CheckpointError(f"the checkpoint holds {unknown[0]!r}, which the model does not have")
    for name, value in weights.items():
        parameters[name].copy_(value if share == 1 else torch.lerp(parameters[name].float(), value.float(), share))
