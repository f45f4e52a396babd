"""`stepbench train dpo`: the transformer, by Video-DPO on preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from reference_model.checkpoint.save import save_pipeline
from reference_model.training.dpo import DPORecipe, DPOTask
from reference_model.training.lora import merged, save_adapters, scale_adapters
from reference_model.training.preference_latents import encode_pairs
from reference_model.training.preferences import PreferencePair
from reference_model.training.run_folder import write_recipe
from stepbench.canonical import sha256_json
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.training.clip_sizes import ClipSize
from stepbench.training.export import DTYPES, fill
from stepbench.training.inspect_clips import InspectedClips
from stepbench.training.launch import main_first, shows_progress
from stepbench.training.models import device_of_parts, load_start, trained_folder
from stepbench.training.preference_files import divided, read_pairs, refuse_leak
from stepbench.training.request import PreparedStage, TrainingRequest
from stepbench.training.run_record import claim_run_folder
from stepbench.training.sample_sheet import sample_judge, sized
from stepbench.training.sources import INDEX_FILE

RECIPE = DPORecipe
ADAPTERS_FOLDER = "adapters"


def prepare(request: TrainingRequest, recipe: DPORecipe, device: torch.device) -> PreparedStage:
    """The model, which is also the reference, and the latents of all pairs, encoded once.

    Raises:
        UsageError: Data, model or settings that do not go together.
        EnvironmentUnfitError: Adapters are to be trained, and the package for them is not here.
    """
    # Before clips are decoded and encoded, which takes minutes.
    if recipe.lora_rank and find_spec("peft") is None:
        raise EnvironmentUnfitError(
            "adapters need the package peft, which is not installed",
            hint="pip install 'stepbench[train]', or train all weights: --set lora_rank=0",
        )
    folder = trained_folder(request.model, "dpo")
    with main_first():
        train, test = _open_pairs(request, recipe)
    description = f"{len(train)} pairs, {len(test)} held out, {_digest([*train, *test])}"
    claim_run_folder(request.out, {**request.origin, "data": description})
    start = load_start(
        folder,
        vae=request.vae,
        float_text=recipe.precision == "float32",
        in_parts=device_of_parts(recipe, device),
    )
    vae = start.vae.float().to(device)
    with main_first():
        cached, cached_test = (
            encode_pairs(vae, pairs, request.out / "latents", progress=shows_progress()) for pairs in (train, test)
        )
    example = test[0].winner.read()
    size = ClipSize(example.frames.shape[0], *example.frames.shape[2:])
    model = start.prompted_on(device, train_text=False)
    task = DPOTask(model, recipe, cached, cached_test, weights=start.weights)
    prompts = list(dict.fromkeys(pair.prompt for pair in test))
    task.judge = sample_judge(
        start.pipeline(sized(start.sampling, size, example.fps)), prompts, request.samples, world=None
    )

    def export(weights: Mapping[str, Tensor], target: Path) -> None:
        # Text encoders as they are in their files.
        whole = load_start(folder, vae=request.vae, float_text=False)
        model = whole.prompted(train_text=False)
        if recipe.lora_rank:
            # Adds the adapters that the weights belong to.
            DPOTask(model, recipe, [], [])
            fill(model, weights)
            scale_adapters(whole.transformer, recipe.kept_change)
        else:
            fill(model, weights, recipe.kept_change)
        pipeline = whole.pipeline()
        if recipe.lora_rank:
            save_adapters(whole.transformer, target / ADAPTERS_FOLDER)
            # Adapters travel without the rest of the export, and mean little without beta and its conventions.
            write_recipe(recipe, target / ADAPTERS_FOLDER)
            pipeline.transformer = merged(whole.transformer)
        pipeline.transformer.to(DTYPES[request.export_dtype])
        save_pipeline(pipeline, target)

    return PreparedStage(task=task, export=export)


def _open_pairs(request: TrainingRequest, recipe: DPORecipe) -> tuple[list[PreferencePair], list[PreferencePair]]:
    file = Path(request.data)
    if not file.is_file():
        raise UsageError(
            f"no preferences at {request.data!r}",
            hint="give a JSONL file: prompt, chosen, rejected, share (docs/training.md)",
        )
    index = InspectedClips(request.out / INDEX_FILE)
    one_size = recipe.micro_batch_size != 1
    pairs = read_pairs(file, index, request.limit, one_size=one_size)
    if request.test is None:
        train, test = divided(pairs)
    else:
        train, test = pairs, read_pairs(request.test, index, None, one_size=False)
        refuse_leak(train, test)
    index.save()
    return train, test


def _digest(pairs: Sequence[PreferencePair]) -> str:
    return sha256_json([[pair.prompt, pair.winner.digest, pair.loser.digest, pair.share] for pair in pairs])[:16]
