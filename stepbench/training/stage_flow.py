"""`stepbench train flow`: the transformer, by flow matching."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from reference_model.checkpoint import load_vae
from reference_model.checkpoint.save import save_pipeline
from reference_model.training.data import ClipSource
from reference_model.training.flow import FlowRecipe, FlowTask
from reference_model.training.latents import encode_source, source_captions
from stepbench.errors import UsageError
from stepbench.training.clip_sizes import ClipSize
from stepbench.training.export import DTYPES, fill
from stepbench.training.launch import main_first, shows_progress
from stepbench.training.models import PRESETS, StartModel, device_of_parts, load_start, model_folder, new_start
from stepbench.training.moving_shapes import ENDLESS, MovingShapesClips
from stepbench.training.request import PreparedStage, TrainingRequest
from stepbench.training.run_record import claim_run_folder
from stepbench.training.sample_sheet import sample_judge, sized
from stepbench.training.sources import TrainingData, open_data

RECIPE = FlowRecipe
ENCODED_CLIPS = 12_000
"""Of a world that never ends, unless `--limit` says otherwise."""
TOKENIZER_CLIPS = 5_000


def prepare(request: TrainingRequest, recipe: FlowRecipe, device: torch.device) -> PreparedStage:
    """Model and latents; the latents are encoded once and kept in the run folder.

    Raises:
        UsageError: Data, model or settings that do not go together.
    """
    data = open_data(request, captions_needed=True)
    count = len(data.train) if len(data.train) < ENDLESS else ENCODED_CLIPS
    claim_run_folder(request.out, {**request.origin, "data": f"{data.description}; {count} encoded"})
    # New tokenizers are trained once and read by all.
    with main_first() if model_folder(request.model) is None else nullcontext():
        start = _start(request, recipe, data, in_parts=device_of_parts(recipe, device))
    model, vae = start.prompted_on(device, train_text=recipe.train_text), start.vae.float().to(device)
    if start.weights is not None:
        start.weights.cut(model)
    counts = {"train": count, "test": min(recipe.held_out, len(data.test))}
    with main_first():
        train, test = (
            encode_source(
                vae,
                source,
                counts[split],
                request.out / "latents" / split,
                description=data.description,
                progress=shows_progress(),
            )
            for split, source in (("train", data.train), ("test", data.test))
        )
    example = data.test[0]
    size = ClipSize(example.frames.shape[0], *example.frames.shape[2:])
    world = data.test if isinstance(data.test, MovingShapesClips) else None
    prompts = [captions[index % len(captions)] for index, captions in enumerate(test.captions)]
    pipeline = start.pipeline(sized(start.sampling, size, example.fps))
    judge = sample_judge(pipeline, prompts, request.samples, world)

    def export(weights: Mapping[str, Tensor], target: Path) -> None:
        whole = _start(request, recipe, data)
        fill(whole.prompted(train_text=recipe.train_text), weights)
        trained = [whole.transformer, *([whole.text_encoder] if recipe.train_text else [])]
        for part in trained:
            part.to(DTYPES[request.export_dtype])
        save_pipeline(whole.pipeline(), target)

    return PreparedStage(task=FlowTask(model, recipe, train, test, judge), export=export)


def _start(
    request: TrainingRequest, recipe: FlowRecipe, data: TrainingData, *, in_parts: torch.device | None = None
) -> StartModel:
    folder = model_folder(request.model)
    if folder is not None:
        float_text = recipe.train_text or recipe.precision == "float32"
        return load_start(folder, vae=request.vae, float_text=float_text, in_parts=in_parts)
    if request.vae is None:
        raise UsageError(
            f"{request.model} starts from scratch and needs a trained VAE",
            hint="--vae FOLDER, which `stepbench train vae --export FOLDER` wrote",
        )
    preset, vae = PRESETS[request.model](), load_vae(request.vae)
    return new_start(preset, vae, _captions(data.train), request.out / "tokenizers", recipe.seed)


def _captions(source: ClipSource) -> Iterator[str]:
    for index in range(min(TOKENIZER_CLIPS, len(source))):
        yield from source_captions(source, index)
