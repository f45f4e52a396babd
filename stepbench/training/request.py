"""What `stepbench train` was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from reference_model.training.task import TrainingTask
from stepbench.errors import UsageError
from stepbench.training.clip_sizes import SizeRule

ExportDtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """Options of one call.

    Attributes:
        stage: `vae`, `flow`, `distill` or `dpo`.
        model: A model folder in the released layout, or the name of a preset that starts from scratch.
        data: `moving-shapes`, `moving-shapes:LEVELS`, or a folder (a JSONL file for `dpo`).
        out: Run folder.
        recipe: A TOML file or the name of a model whose recipe it is; None means the preset's.
        assignments: `KEY=VALUE` texts on top of it.
        sizes: Sizes of the clips.
        limit: Take the first so many clips only.
        vae: Another model folder whose VAE is taken.
        test: Held-out data of its own (`dpo`).
        samples: Clips sampled at every look at held-out data; 0 for none.
        student_steps: Steps that the student samples with (`distill`).
        device: See `launched`.
        max_steps: Stop after so many steps of this call.
        max_seconds: Stop after about this long, preparations included.
        export: Folder that gets the averaged weights.
        export_dtype: Of these weights.
    """

    stage: str
    model: str
    data: str
    out: Path
    recipe: str | None = None
    assignments: tuple[str, ...] = ()
    sizes: SizeRule = field(default_factory=SizeRule)
    limit: int | None = None
    vae: Path | None = None
    test: Path | None = None
    samples: int = 16
    student_steps: int | None = None
    device: str = "auto"
    max_steps: int | None = None
    max_seconds: float | None = None
    export: Path | None = None
    export_dtype: ExportDtype = "float32"

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float | None, int]] = {
            "--limit": (self.limit, 1),
            "--samples": (self.samples, 0),
            "--steps": (self.student_steps, 1),
            "--max-steps": (self.max_steps, 0),
            "--max-seconds": (self.max_seconds, 0),
        }
        for option, (value, least) in limits.items():
            if value is not None and not value >= least:
                raise UsageError(f"{option} must be at least {least}, got {value}", hint="leave it out for no limit")

    @property
    def origin(self) -> dict[str, str]:
        """What makes a run the same run, apart from its recipe and its clips."""
        origin = {"stage": self.stage, "model": _name(self.model)}
        return origin | ({"vae": _name(self.vae)} if self.vae is not None else {})


def _name(model: str | Path) -> str:
    # Not the whole path: a folder may be moved between two calls.
    return Path(model).resolve().name


@dataclass(frozen=True, kw_only=True)
class PreparedStage:
    """Everything that a stage brings for the training loop.

    Attributes:
        task: Model, data and loss.
        export: Writes a model folder: (averaged weights by name, where to).
    """

    task: TrainingTask
    export: Callable[[Mapping[str, Tensor], Path], None]


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """How a call ended.

    Attributes:
        stage: As in the request.
        step: Steps done, in all calls together.
        steps: Steps of the whole recipe.
        steps_now: Steps of this call.
        seconds: That this call took, preparations included.
        figures: The last ones on held-out clips, and the step they are from; empty before the first.
        out: Run folder.
        export: Folder with the averaged weights, if they were written.
    """

    stage: str
    step: int
    steps: int
    steps_now: int
    seconds: float
    figures: Mapping[str, Any]
    out: Path
    export: Path | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the recipe is done."""
        return self.step >= self.steps
