"""`stepbench train vae`: the Video-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reference_model.checkpoint.save import save_vae
from reference_model.training.vae import VAERecipe, VAETask
from stepbench.errors import UsageError
from stepbench.training.export import DTYPES, copy_other_parts, fill
from stepbench.training.models import last_channels, model_folder, start_vae
from stepbench.training.request import PreparedStage, TrainingRequest
from stepbench.training.run_record import claim_run_folder, steps_done
from stepbench.training.sources import FirstChunks, open_data

RECIPE = VAERecipe


def prepare(request: TrainingRequest, recipe: VAERecipe, device: torch.device) -> PreparedStage:
    """The VAE of the model folder, or a new one from its linear start, and the clips.

    Raises:
        UsageError: Data or settings that do not go together.
    """
    folder = model_folder(request.model)
    vae = start_vae(request.model, recipe.seed)
    data = open_data(request, captions_needed=False)
    if recipe.held_out > len(data.test):
        raise UsageError(
            f"held_out is {recipe.held_out}, but only {len(data.test)} clips of one size are held out",
            hint=f"--set held_out={len(data.test)}, or mark more clips as test",
        )
    claim_run_folder(request.out, {**request.origin, "data": data.description})
    if folder is None and not steps_done(request.out):
        VAETask(vae, recipe, FirstChunks(data.train, recipe.start_clips), data.test).initialise()
    last_channels(vae)
    task = VAETask(vae.to(device), recipe, data.train, data.test, data.judge)

    def export(weights: Mapping[str, Tensor], target: Path) -> None:
        whole = start_vae(request.model, recipe.seed)
        fill(whole, weights)
        if folder is not None:
            copy_other_parts(folder, target, without="vae")
        save_vae(whole.to(DTYPES[request.export_dtype]), target)

    return PreparedStage(task=task, export=export)
