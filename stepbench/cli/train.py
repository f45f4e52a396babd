"""`stepbench train vae --model tiny --data moving-shapes --out training/vae`, and the same under `torchrun`."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from stepbench.cli.options import Json, split_names
from stepbench.cli.output import note, number, print_records
from stepbench.errors import ExitCode, NothingSelectedError, StepbenchError, UsageError

if TYPE_CHECKING:
    from stepbench.training.request import TrainingOutcome

train_command = App(name="train", help="Train the reference model; the same command again continues.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What all stages take.

    Attributes:
        model: Model folder in the released layout to start from, or `tiny` to start from scratch.
        out: Folder of the training run; the same one continues.
        recipe: TOML file with settings, or `tiny` for the recipe in the package.
        set_: KEY=VALUE, a setting of the recipe on top; can be repeated.
        limit: Take only the first so many clips.
        max_seconds: Stop after about so long, with a checkpoint.
        max_steps: Stop after so many steps of this call, with a checkpoint.
        device: auto, cpu, cuda or cuda:1.
        export: Folder for the averaged weights, in the released layout, written at the end of this call.
        export_dtype: Of these weights.
    """

    model: str
    out: Annotated[Path, Parameter(name=["--out", "-o"])]
    recipe: str | None = None
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None
    limit: Annotated[int | None, Parameter(name=["--limit", "-L"])] = None
    max_seconds: float | None = None
    max_steps: int | None = None
    device: str = "auto"
    export: Path | None = None
    export_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    json: Json = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """Which clips.

    Attributes:
        data: `moving-shapes`, `moving-shapes:1,2` for its levels, or a folder with captions.jsonl.
        sizes: FRAMESxHEIGHTxWIDTH, by commas: the only sizes that clips may have or are given.
        fit: What happens to a clip of another size.
    """

    data: str
    sizes: Annotated[list[str] | None, Parameter(negative="")] = None
    fit: Literal["refuse", "crop", "resize"] = "refuse"


Vae = Annotated[Path | None, Parameter(name="--vae", help="Model folder whose VAE is taken, if not --model's.")]
Samples = Annotated[int, Parameter(help="Clips sampled at every look at held-out data; 0 for none.")]


@train_command.command
def vae(*, options: TrainingOptions, clips: ClipOptions) -> int:
    """Train the Video-VAE: reconstruction, with weight on what moves, and KL divergence."""
    return _train("vae", options, **_clips(clips))


@train_command.command
def flow(*, options: TrainingOptions, clips: ClipOptions, vae: Vae = None, samples: Samples = 16) -> int:
    """Train the transformer by flow matching, on latents that are encoded once."""
    return _train("flow", options, **_clips(clips), vae=vae, samples=samples)


@train_command.command
def distill(
    *,
    options: TrainingOptions,
    data: str,
    sizes: Annotated[list[str] | None, Parameter(negative="")] = None,
    steps: int | None = None,
    vae: Vae = None,
    samples: Samples = 16,
) -> int:
    """Train a student of --model that samples in fewer steps and without guidance.

    Args:
        data: Where prompts come from: `moving-shapes`, a folder with captions.jsonl, or a text file, one per line.
        sizes: FRAMESxHEIGHTxWIDTH of the teacher's clips; as the model samples unless given.
        steps: Steps that the student will sample with; a quarter of the teacher's unless given.
    """
    rule = _clips(ClipOptions(data=data, sizes=sizes))
    return _train("distill", options, **rule, student_steps=steps, vae=vae, samples=samples)


@train_command.command
def dpo(
    *,
    options: TrainingOptions,
    data: str,
    test: Path | None = None,
    vae: Vae = None,
    samples: Samples = 16,
) -> int:
    """Train the transformer on pairs of clips of which one was preferred (Video-DPO).

    Args:
        data: JSONL file: prompt, chosen, rejected, share.
        test: Another such file with held-out pairs; a tenth of the prompts is held out unless given.
    """
    return _train("dpo", options, data=data, test=test, vae=vae, samples=samples)


def _clips(options: ClipOptions) -> dict[str, Any]:
    from stepbench.training.clip_sizes import SizeRule, parse_sizes

    rule = SizeRule(fit=options.fit, sizes=parse_sizes(split_names(options.sizes) or []))
    return {"data": options.data, "sizes": rule}


def _train(stage: str, options: TrainingOptions, **further: Any) -> int:
    from stepbench.training.request import TrainingRequest
    from stepbench.training.session import train_stage

    try:
        request = TrainingRequest(
            stage=stage,
            model=options.model,
            out=options.out,
            recipe=options.recipe,
            assignments=tuple(options.set_ or ()),
            limit=options.limit,
            max_seconds=options.max_seconds,
            max_steps=options.max_steps,
            device=options.device,
            export=options.export,
            export_dtype=options.export_dtype,
            **further,
        )
        outcome = train_stage(request)
    except (UsageError, NothingSelectedError, KeyboardInterrupt) as error:
        if _speaks():
            raise
        sys.exit(error.exit_code if isinstance(error, StepbenchError) else ExitCode.INTERRUPTED)
    if _speaks():
        _report(outcome, json=options.json)
    return ExitCode.OK if outcome.is_complete else ExitCode.INCOMPLETE


def _speaks() -> bool:
    # Of several processes one is enough to say what all of them find.
    return os.environ.get("RANK", "0") == "0"


def _report(outcome: TrainingOutcome, *, json: bool) -> None:
    if json:
        print_records([asdict(outcome) | {"complete": outcome.is_complete}])
    figures = {key: value for key, value in outcome.figures.items() if key != "step"}
    measured = ", ".join(f"{key} {number(value)}" for key, value in figures.items())
    note(
        f"{outcome.stage}: step {outcome.step} of {outcome.steps}, {outcome.steps_now} now in {outcome.seconds:.0f} s"
        + (f"; test at step {outcome.figures['step']:.0f}: {measured}" if measured else "")
    )
    where = "checkpoints, log.csv and previews"
    note(f"{where} in {outcome.out}" + (f"; averaged weights in {outcome.export}" if outcome.export else ""))
    if not outcome.is_complete:
        note("not done yet: the same command continues")
