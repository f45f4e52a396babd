"""Load a Diffusers pipeline onto a device, and watch it work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.diffusers_source import PipelineSource
from stepbench.generators.placement import Placement

INSTALL = "pip install 'stepbench[diffusers]'"

_STAGES = {"text_encoder": "text_encode", "transformer": "denoise", "unet": "denoise", "vae": "vae_decode"}


def import_diffusers() -> Any:
    """The package `diffusers`, with what its pipelines need beside it.

    Raises:
        EnvironmentUnfitError: The extra is not installed.
    """
    try:
        import accelerate  # noqa: F401 - from_pretrained loads large weights through it
        import diffusers
    except (ImportError, RuntimeError) as error:
        raise _not_installed(error) from error
    return diffusers


def pipeline_class(source: PipelineSource) -> type:
    """The class that the index names, without loading anything.

    Raises:
        UsageError: The installed Diffusers has no such pipeline, or a component would bring its own code.
    """
    diffusers = import_diffusers()
    try:
        for component, (library, name) in source.components.items():
            if library not in (None, "diffusers", "transformers") and not hasattr(diffusers.pipelines, library):
                raise UsageError(
                    f"{source.name}: component {component} ({library}.{name}) brings its own code, "
                    "which stepbench does not run",
                    hint="wrap a model you trust in a function and use python:MODULE:FUNCTION",
                )
        found = getattr(diffusers, source.class_name, None)
    except (ImportError, RuntimeError) as error:
        # Diffusers imports a pipeline when it is first named, and only then sees what that pipeline lacks.
        raise _not_installed(error) from error
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise UsageError(
            f"diffusers {diffusers.__version__} has no pipeline {source.class_name!r}",
            hint="pip install --upgrade diffusers",
        )
    return found


def _not_installed(error: Exception) -> EnvironmentUnfitError:
    reason = str(error).strip().splitlines()[-1]
    return EnvironmentUnfitError(f"pipelines of Diffusers cannot run here: {reason}", hint=INSTALL)


def can_tile(source: PipelineSource) -> bool:
    """Whether the autoencoder can work tile by tile."""
    library, name = source.components.get("vae", (None, None))
    return library == "diffusers" and hasattr(getattr(import_diffusers(), str(name), None), "enable_tiling")


def load_pipeline(
    source: PipelineSource, place: Placement, *, dtype: str, vae_dtype: str | None, vae_tiling: bool | None
) -> Any:
    """The pipeline with its weights, ready to be called. Loads safetensors only and runs no code from the repository.

    Args:
        source: Which pipeline.
        place: Where it runs.
        dtype: Name of the torch dtype of all weights.
        vae_dtype: Another one for the autoencoder.
        vae_tiling: Decode tile by tile: less memory, slightly different pixels.
    """
    import torch

    kind: Any = getattr(torch, dtype)
    if vae_dtype is not None:
        kind = {"default": kind, "vae": getattr(torch, vae_dtype)}
    bars = sys.stderr.isatty()
    with _loading_bars(bars):
        pipeline = import_diffusers().DiffusionPipeline.from_pretrained(
            source.location, revision=source.commit, dtype=kind, use_safetensors=True, trust_remote_code=False
        )
    pipeline.set_progress_bar_config(disable=not bars)
    if vae_tiling:
        pipeline.vae.enable_tiling()
    if place.offload == "model":
        pipeline.enable_model_cpu_offload(device=place.device)
    else:
        pipeline.to(place.device)
    return pipeline


@contextmanager
def seeded(seed: int) -> Iterator[Any]:
    """Randomness for one call: a generator, and for draws that bypass it the global one, seeded and put back after.

    Yields:
        A torch generator on the CPU, so that every device starts from the same noise.
    """
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield torch.Generator("cpu").manual_seed(seed)


@dataclass
class Watch:
    """What one call took.

    Attributes:
        seconds: Stage -> seconds inside text encoders, denoiser and decoder.
        peak_memory_bytes: Most bytes of tensors on the GPU; None elsewhere, and until the call is over.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None


@contextmanager
def watched(pipeline: Any, device: str) -> Iterator[Watch]:
    """Watch the calls of a pipeline that are made inside. On a GPU every stage waits for its work to be done."""
    import torch

    watch, on_gpu = Watch(), device.startswith("cuda")

    def now() -> float:
        if on_gpu:
            torch.cuda.synchronize(device)
        return time.perf_counter()

    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    with ExitStack() as hooks:
        for name, component in pipeline.components.items():
            stage = _STAGES.get(name.rstrip("_0123456789"))
            # Decoding does not go through the autoencoder's own forward.
            module = getattr(component, "decoder", None) if stage == "vae_decode" else component
            if stage is not None and isinstance(module, torch.nn.Module):
                _time_module(module, stage, watch.seconds, now, hooks)
        yield watch
    if on_gpu:
        watch.peak_memory_bytes = torch.cuda.max_memory_allocated(device)


def _time_module(
    module: Any, stage: str, seconds: dict[str, float], now: Callable[[], float], hooks: ExitStack
) -> None:
    starts: list[float] = []

    def before(*_: Any) -> None:
        starts.append(now())

    def after(*_: Any) -> None:
        seconds[stage] = seconds.get(stage, 0.0) + now() - starts.pop()

    hooks.callback(module.register_forward_pre_hook(before).remove)
    hooks.callback(module.register_forward_hook(after).remove)


@contextmanager
def _loading_bars(wanted: bool) -> Iterator[None]:
    """Both libraries draw bars while they load; off a terminal they would fill a log."""
    import transformers

    switches = (import_diffusers().utils.logging, transformers.utils.logging)
    silenced = [switch for switch in switches if not wanted and switch.is_progress_bar_enabled()]
    for switch in silenced:
        switch.disable_progress_bar()
    try:
        yield
    finally:
        for switch in silenced:
            switch.enable_progress_bar()
