"""One call of `stepbench train`: recipe, model and data brought together, trained, and exported."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import torch

from reference_model.errors import ReferenceModelError, TrainingError
from reference_model.training.distributed import barrier, is_main
from reference_model.training.loop import train
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.run_folder import check_recipe
from stepbench.errors import EnvironmentUnfitError, IncompleteError, UsageError
from stepbench.runs.journal import saving
from stepbench.training.export import check_export_folder, export_run, is_exported
from stepbench.training.launch import launched, shows_progress
from stepbench.training.models import model_folder
from stepbench.training.recipe_file import build_recipe
from stepbench.training.recipes import RECIPES
from stepbench.training.request import TrainingOutcome, TrainingRequest
from stepbench.training.run_record import check_run_folder, last_figures, steps_done


def train_stage(request: TrainingRequest) -> TrainingOutcome:
    """Trains until the recipe is done or a limit is reached, from the newest checkpoint in `request.out`.

    Raises:
        UsageError: Options, settings, data or weights that do not go together.
        NothingSelectedError: No clips to train on, or none to hold out.
        EnvironmentUnfitError: No such device, or too little memory on it.
        IncompleteError: Something cannot be saved.
    """
    model_folder(request.model)
    stage = import_module(f"stepbench.training.stage_{request.stage}")
    recipe = requested_recipe(request, stage.RECIPE)
    check_export_folder(request)
    check_run_folder(request.out, request.origin)
    began = time.monotonic()
    if _is_finished(request, recipe):
        return _outcome(request, recipe, steps_now=0, seconds=time.monotonic() - began)
    with _user_errors(request.out), launched(request.device) as device:
        prepared = stage.prepare(request, recipe, device)
        before, prepared_after = steps_done(request.out), time.monotonic() - began
        step = train(
            prepared.task,
            recipe,
            request.out,
            max_steps=request.max_steps,
            max_seconds=None if request.max_seconds is None else max(0.0, request.max_seconds - prepared_after),
            progress=shows_progress(),
        )
        seconds = time.monotonic() - began
        if request.export is not None and is_main():
            record = {"origin": request.origin, "recipe": recipe.to_dict(), "test": last_figures(request.out)}
            export_run(request, prepared, request.export, record)
        # A process that left earlier would look to torchrun as if it had failed.
        barrier()
    return _outcome(request, recipe, steps_now=step - before, seconds=seconds)


def requested_recipe(request: TrainingRequest, kind: type[TrainingRecipe]) -> TrainingRecipe:
    """The recipe of a request: that of a model in the package, or a file, with `KEY=VALUE` texts on top.

    Raises:
        UsageError: See `build_recipe`; or there is no such recipe.
    """
    if request.recipe is not None and request.recipe not in RECIPES:
        return build_recipe(kind, {}, Path(request.recipe), request.assignments)
    recipes = RECIPES.get(request.recipe or request.model, {})
    if request.recipe is not None and request.stage not in recipes:
        raise UsageError(f"{request.recipe} has no recipe for {request.stage}", hint="write --recipe FILE.toml")
    defaults = recipes[request.stage]().to_dict() if request.stage in recipes else {}
    return build_recipe(kind, defaults, None, request.assignments)


def _is_finished(request: TrainingRequest, recipe: TrainingRecipe) -> bool:
    """Whether nothing is left to do, so that neither model nor data need be opened."""
    step = steps_done(request.out)
    if step < recipe.steps or not is_exported(request, step, recipe):
        return False
    with _user_errors(request.out):
        check_recipe(recipe, request.out)
    return True


def _outcome(request: TrainingRequest, recipe: TrainingRecipe, *, steps_now: int, seconds: float) -> TrainingOutcome:
    return TrainingOutcome(
        stage=request.stage,
        step=steps_done(request.out),
        steps=recipe.steps,
        steps_now=steps_now,
        seconds=seconds,
        figures=last_figures(request.out),
        out=request.out,
        export=request.export,
    )


@contextmanager
def _user_errors(out: Path) -> Iterator[None]:
    try:
        with saving(out):
            yield
    except ReferenceModelError as error:
        # A run that broke down on the way, and work that was not saved, are no mistakes of the command.
        unfinished = isinstance(error, TrainingError) or isinstance(error.__cause__, OSError)
        kind = IncompleteError if unfinished else UsageError
        raise kind(error.message, hint=error.hint or "see docs/training.md") from error
    except torch.OutOfMemoryError as error:
        raise EnvironmentUnfitError(
            f"the device has too little memory: {str(error).splitlines()[0]}",
            hint="--set micro_batch_size=1, --set gradient_checkpointing=true, or more processes with strategy=fsdp;"
            " the run goes on with these",
        ) from error
