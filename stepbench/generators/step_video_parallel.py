"""What the settings of a Step-Video clip mean where several processes share it, and what they cost there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reference_model.config import SamplingConfig
from reference_model.errors import ReferenceModelError
from reference_model.presets import Preset
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.placement import Placement
from stepbench.records import Settings

if TYPE_CHECKING:
    from reference_model.parallel import ParallelConfig


def require_shareable(name: str, settings: Settings, parallel: ParallelConfig) -> None:
    """Stops where settings leave nothing to share, or what cannot be cut.

    Raises:
        UsageError: Guidance parallelism without guidance, or FP8 weights with tensor parallelism.
    """
    if parallel.guidance and settings["guidance"] <= 1:
        raise UsageError(
            f"{name}: --guidance-parallel needs a guidance above 1, got {settings['guidance']:g}",
            hint="leave --guidance-parallel out and raise --ulysses or --tensor-parallel instead",
        )
    if parallel.tensor > 1 and settings["fp8"]:
        raise UsageError(
            f"{name}: fp8 stores one scale per row of a whole weight, which --tensor-parallel {parallel.tensor} cuts",
            hint="leave one of the two out; --ulysses and --guidance-parallel go with fp8",
        )


def shared_placement(device: str) -> Placement:
    """Where this one of several processes computes.

    Raises:
        EnvironmentUnfitError: Offload is asked for, which would keep a whole model per process in main memory.
    """
    offload = os.environ.get("STEPBENCH_STEP_VIDEO_OFFLOAD") or "none"
    if offload != "none":
        raise EnvironmentUnfitError(
            f"STEPBENCH_STEP_VIDEO_OFFLOAD={offload} does not go with several processes",
            hint="unset it; --tensor-parallel saves memory, and so do text_url and vae_url",
        )
    return Placement(device, offload)


def decodes_here(parallel: ParallelConfig, settings: Settings) -> bool:
    """Whether this process has a part in decoding: all have if the chunks are dealt out, else rank 0 alone."""
    return os.environ.get("RANK", "0") == "0" or (parallel.vae and "vae_url" not in settings)


def parallel_costs(
    preset: Preset,
    parallel: ParallelConfig,
    sampling: SamplingConfig,
    settings: Settings,
    *,
    dtypes: Mapping[str, str],
    tflops: float | None,
    bandwidth: float,
) -> dict[str, Any]:
    """What one clip costs each of several devices, as a record.

    Args:
        bandwidth: 10^9 bytes per second that a device can receive.

    Returns:
        Degrees, `processes`, `peak_bytes` and weights of one device, bytes that it receives per step and kind, and
        `seconds` of a clip, None without `tflops`.

    Raises:
        UsageError: Degrees that do not fit the model or the settings, or a bandwidth that is not above 0.
    """
    from reference_model.parallel.costs import parallel_estimate

    require_shareable(preset.name, settings, parallel)
    if not 0 < bandwidth < float("inf"):
        raise UsageError(f"--bandwidth must be a number above 0, got {bandwidth}", hint="NVLink of an H20 has 450")
    try:
        shared = parallel_estimate(preset, parallel, sampling, dtypes=dtypes, fp8=settings["fp8"])
    except ReferenceModelError as error:
        raise UsageError(f"{preset.name}: {error.message}", hint=error.hint) from error
    return {
        "plan": str(parallel),
        "processes": parallel.processes,
        "peak_bytes": shared.peak_bytes,
        "weight_bytes": sum(stage.weight_bytes for stage in shared.stages.values()),
        "activation_bytes": max(stage.activation_bytes for stage in shared.stages.values()),
        "received_bytes_per_step": dict(shared.step.received),
        "bandwidth": bandwidth,
        "seconds_per_step": None if tflops is None else shared.step_seconds(tflops, bandwidth),
        "seconds": None if tflops is None else shared.seconds(tflops, bandwidth),
    }
