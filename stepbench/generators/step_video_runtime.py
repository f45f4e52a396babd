"""Load a Step-Video model onto a device, and watch it work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reference_model.config import SamplingConfig
from reference_model.errors import ReferenceModelError
from stepbench.errors import UsageError
from stepbench.generators.placement import Placement, read_placement
from stepbench.records import Settings

if TYPE_CHECKING:
    from reference_model import TextToVideoPipeline

OFFLOADS = ("none", "stages")
"""What rests in main memory: nothing, or the parts of every stage but the one at work."""


def placement() -> Placement:
    """Where the model runs, from `STEPBENCH_STEP_VIDEO_DEVICE` and `STEPBENCH_STEP_VIDEO_OFFLOAD`.

    Raises:
        EnvironmentUnfitError: A device that is not there, or an unknown offload.
    """
    return read_placement("STEPBENCH_STEP_VIDEO", OFFLOADS)


def load_model(folder: Path, sampling: SamplingConfig, settings: Settings, place: Placement) -> TextToVideoPipeline:
    """The model of a folder, ready to be called.

    Args:
        folder: A model folder in the released layout.
        sampling: Its default settings.
        settings: `dtype` of all weights, and whether the transformer's are stored in 8 bits (`fp8`).
        place: Where it runs.

    Raises:
        UsageError: Weights or tokenizers are missing, damaged, or do not fit the configs.
    """
    import torch

    from reference_model.checkpoint import load_pipeline
    from reference_model.memory.fp8 import quantise_blocks
    from reference_model.memory.offload import OffloadedPipeline

    dtype = None if settings["dtype"] == "stored" else getattr(torch, settings["dtype"])
    offload = place.offload == "stages"
    # What must shrink before it fits, or fits only in part, starts in main memory.
    start = "cpu" if offload or settings["fp8"] else place.device
    try:
        pipeline = load_pipeline(folder, sampling=sampling, device=start, dtype=dtype)
    except ReferenceModelError as error:
        hint = error.hint or f"stepbench weights verify {folder} lists everything that does not fit"
        raise UsageError(f"step-video: {error.message}", hint=hint) from error
    if settings["fp8"]:
        quantise_blocks(pipeline.transformer)
    if offload:
        return OffloadedPipeline(pipeline, place.device)
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder):
        if isinstance(part, torch.nn.Module):
            part.to(place.device)
    return pipeline


@dataclass
class StageClock:
    """Seconds by stage, and the device's peak memory over all of them. On a GPU every stage waits for its work.

    Attributes:
        device: Where the model runs.
        seconds: Stage -> seconds.
    """

    device: str
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self._on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        started = self._now()
        yield
        self.seconds[name] = self._now() - started

    def peak_memory_bytes(self) -> int | None:
        """Most bytes of tensors on the GPU since the clock was made; None elsewhere."""
        if not self._on_gpu:
            return None
        import torch

        return torch.cuda.max_memory_allocated(self.device)

    @property
    def _on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def _now(self) -> float:
        if self._on_gpu:
            import torch

            torch.cuda.synchronize(self.device)
        return time.perf_counter()
