"""`stepbench train distill`: a student that takes fewer steps than its teacher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reference_model.checkpoint.save import save_pipeline
from reference_model.config import SamplingConfig
from reference_model.training.distill import DistillRecipe, DistillTask, sample_pairs
from stepbench.errors import UsageError
from stepbench.training.export import DTYPES, fill
from stepbench.training.launch import main_first, shows_progress
from stepbench.training.models import StartModel, load_start, trained_folder
from stepbench.training.prompts import open_prompts
from stepbench.training.request import PreparedStage, TrainingRequest
from stepbench.training.run_record import claim_run_folder
from stepbench.training.sample_sheet import sample_judge, sized

RECIPE = DistillRecipe
STEP_SHARE = 4
"""The student takes a quarter of the teacher's steps unless told otherwise."""
TEACHER_BATCH = 16


def prepare(request: TrainingRequest, recipe: DistillRecipe, device: torch.device) -> PreparedStage:
    """The teacher's clips, sampled once and kept in the run folder, and a student that begins as the teacher.

    Raises:
        UsageError: Data, model or settings that do not go together.
    """
    folder = trained_folder(request.model, "distill")
    if len(request.sizes.sizes) > 1:
        listed = ", ".join(map(str, request.sizes.sizes))
        raise UsageError(f"the teacher makes clips of one size, got {listed}", hint="give one")
    prompts = open_prompts(request)
    if recipe.held_out >= len(prompts.train):
        raise UsageError(
            f"held_out is {recipe.held_out}, but there are only {len(prompts.train)} prompts",
            hint="--set held_out=N for fewer, or --limit for more where the data has no end",
        )
    start = _start(request, recipe, folder)
    teacher_sampling = _of_requested_size(request, start.sampling)
    student_sampling = student_settings(teacher_sampling, request.student_steps)
    claim_run_folder(
        request.out,
        {**request.origin, "data": prompts.description, "student_steps": str(student_sampling.num_steps)},
    )
    model = start.prompted(train_text=False).to(device)
    start.vae.float().to(device)
    with main_first():
        pairs = sample_pairs(
            start.pipeline(),
            prompts.train,
            teacher_sampling,
            request.out / "teacher",
            batch_size=TEACHER_BATCH,
            seed=recipe.seed,
            progress=shows_progress(),
        )
    shown = prompts.test or prompts.train[-max(1, recipe.held_out) :]
    judge = sample_judge(start.pipeline(student_sampling), shown, request.samples, prompts.world)

    def export(weights: Mapping[str, Tensor], target: Path) -> None:
        # Text encoders as they are in their files.
        whole = load_start(folder, vae=request.vae, float_text=False)
        fill(whole.prompted(train_text=False), weights)
        whole.transformer.to(DTYPES[request.export_dtype])
        save_pipeline(whole.pipeline(student_sampling), target)

    return PreparedStage(task=DistillTask(model, recipe, pairs, judge), export=export)


def student_settings(teacher: SamplingConfig, steps: int | None) -> SamplingConfig:
    """How the student samples: in fewer steps, without guidance, and from prompts as they are.

    Args:
        teacher: How its clips were made.
        steps: None means a quarter of the teacher's.
    """
    return teacher.changed(
        num_steps=steps or max(1, teacher.num_steps // STEP_SHARE), guidance_scale=1.0, positive_magic=""
    )


def _start(request: TrainingRequest, recipe: DistillRecipe, folder: Path) -> StartModel:
    return load_start(folder, vae=request.vae, float_text=recipe.precision == "float32")


def _of_requested_size(request: TrainingRequest, sampling: SamplingConfig) -> SamplingConfig:
    return sized(sampling, request.sizes.sizes[0], sampling.fps) if request.sizes.sizes else sampling
