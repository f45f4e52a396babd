"""Load a Step-Video model onto a device, and watch it work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reference_model.config import Compat
from reference_model.errors import ReferenceModelError
from reference_model.presets import Preset
from reference_model.serving.access import TOKEN_VARIABLE
from reference_model.serving.errors import ServingError
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.placement import Placement, read_placement
from stepbench.generators.step_video_settings import URLS
from stepbench.records import Settings

if TYPE_CHECKING:
    from reference_model import TextToVideoPipeline
    from reference_model.parallel import ParallelConfig
    from reference_model.sampling.guidance import Latents
    from reference_model.sampling.pipeline import VideoDecoder

OFFLOADS = ("none", "stages")
"""What rests in main memory: nothing, or the parts of every stage but the one at work."""


def placement() -> Placement:
    """Where the model runs, from `STEPBENCH_STEP_VIDEO_DEVICE` and `STEPBENCH_STEP_VIDEO_OFFLOAD`.

    Raises:
        EnvironmentUnfitError: A device that is not there, or an unknown offload.
    """
    return read_placement("STEPBENCH_STEP_VIDEO", OFFLOADS)


def load_model(
    folder: Path, preset: Preset, settings: Settings, place: Placement, parallel: ParallelConfig | None = None
) -> TextToVideoPipeline:
    """The model of a folder, ready to be called.

    Args:
        folder: A model folder in the released layout. Of parts that live elsewhere it needs the configs alone.
        preset: Its configs.
        settings: `dtype` of all weights, whether the transformer's are stored in 8 bits (`fp8`), and the servers of
            parts that live elsewhere (`text_url`, `vae_url`), which are asked first.
        place: Where it runs.
        parallel: How the processes of a `torchrun` share it, all of which call this alike.

    Raises:
        UsageError: Weights or tokenizers are missing, damaged, or do not fit the configs, here or on a server.
        EnvironmentUnfitError: A server does not answer, or refuses.
    """
    import torch

    from reference_model.memory.fp8 import quantise_blocks
    from reference_model.memory.offload import OffloadedPipeline
    from reference_model.serving import load_remote_pipeline

    urls = {setting: settings[setting] for setting in URLS if setting in settings}
    token = os.environ.get(TOKEN_VARIABLE) or None
    with served_elsewhere():
        _ask_servers(preset, token, **urls)
    offload = place.offload == "stages"
    # What must shrink before it fits, or fits only in part, starts in main memory. Several processes would need that
    # many times as much of it, and what they cut cannot be moved.
    start = "cpu" if offload or (settings["fp8"] and parallel is None) else place.device
    try:
        pipeline = load_remote_pipeline(
            folder,
            **urls,
            token=token,
            sampling=preset.sampling.changed(dtype=settings["dtype"]),
            device=start,
            parallel=parallel,
        )
    except ReferenceModelError as error:
        hint = error.hint or f"stepbench weights verify {folder} lists everything that does not fit"
        raise UsageError(f"step-video: {error.message}", hint=hint) from error
    if settings["fp8"]:
        quantise_blocks(pipeline.transformer)
    if offload:
        return OffloadedPipeline(pipeline, place.device)
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder):
        if start != place.device and isinstance(part, torch.nn.Module):
            part.to(place.device)
    return pipeline


@contextmanager
def served_elsewhere() -> Iterator[None]:
    """Around work that another process may have a part in: what it cannot or will not do, this machine lacks.

    Raises:
        EnvironmentUnfitError: In place of `ServingError`.
    """
    try:
        yield
    except ServingError as error:
        refused = error.status == HTTPStatus.UNAUTHORIZED
        hint = f"set {TOKEN_VARIABLE} here to the token that the server has" if refused else error.hint
        raise EnvironmentUnfitError(f"step-video: {error.message}", hint=hint) from error


def _ask_servers(preset: Preset, token: str | None, *, text_url: str | None = None, vae_url: str | None = None) -> None:
    """Before minutes of loading: is anybody there, and with this model?"""
    from reference_model.serving import RemoteVAE
    from reference_model.serving.client import ServingClient

    if text_url is not None:
        ServingClient(text_url, token).require("text")
    if vae_url is not None and RemoteVAE(vae_url, token).cfg != preset.vae:
        raise UsageError(
            f"step-video: the VAE at {vae_url} is not that of {preset.name}: their configs differ",
            hint="serve the same model folder",
        )


def decoded_frames(vae: VideoDecoder, latents: Latents, compat: Compat, clock: StageClock) -> Iterator[np.ndarray]:
    """The frames of one clip, uint8 (time, 3, height, width), chunk by chunk; decoding is timed as `vae_decode`.

    Weights that rest in main memory are on the clock's device until the last chunk, or until the iterator is closed.
    """
    from reference_model.memory.offload import resident
    from reference_model.memory.stream import stream_frames

    with ExitStack() as weights:
        with clock.stage("vae_decode"):
            weights.enter_context(resident(vae, clock.device))
        chunks = stream_frames(vae, latents, compat)
        while True:
            with served_elsewhere(), clock.stage("vae_decode"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk.numpy()
            # It must not outlive the making of the next one.
            del chunk


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
        """Time what is done inside; a stage may come in several pieces."""
        started = self._now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - started

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
