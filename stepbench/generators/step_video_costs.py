"""What a clip of a Step-Video model will cost, as one record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_model.memory.estimate import PUBLISHED, estimate
from reference_model.presets import Preset
from stepbench.errors import UsageError
from stepbench.generators.step_video_parallel import parallel_costs
from stepbench.generators.step_video_settings import sampling_of
from stepbench.generators.step_video_weights import stored_dtypes
from stepbench.records import Settings

if TYPE_CHECKING:
    from reference_model.parallel import ParallelConfig

BANDWIDTH = 450.0
"""10^9 bytes per second and direction: NVLink of an H20, on which the published times were measured."""

_SERVED = {"text_encode": "text_url", "vae_decode": "vae_url"}
"""Stage -> the setting with the server that does it, where there is one."""


def cost_record(
    folder: Path,
    preset: Preset,
    settings: Settings,
    *,
    tflops: float | None,
    parallel: ParallelConfig | None = None,
    bandwidth: float = BANDWIDTH,
) -> dict[str, Any]:
    """Operations, memory and time of one clip on one device.

    Args:
        folder: The model folder; only headers of its weights are read, where `dtype` is `stored`.
        preset: Its configs.
        settings: As they were resolved.
        tflops: Sustained speed in 10^12 operations per second; None leaves `seconds` None.
        parallel: Degrees of parallelism; adds `parallel`, the costs of each of several devices.
        bandwidth: 10^9 bytes per second that each of them can receive.

    Returns:
        `flops`, `flops_per_step`, `seconds`; `peak_bytes` with all weights on the device, and `offloaded_peak_bytes`
        with those of the stage at work alone, neither with stages of other processes; per stage parameters, bytes,
        operations and the server that does it, if any (`served_by`); and the speeds that published times of the
        released model imply, to choose `tflops` by.

    Raises:
        UsageError: A speed that is not above 0, a weights file without a readable header, or degrees of parallelism
            that do not fit.
    """
    if tflops is not None and not 0 < tflops < float("inf"):
        raise UsageError(f"--tflops must be a number above 0, got {tflops}", hint="an H20 sustained about 100")
    parts = ("llm", "clip", "transformer", "vae")
    asked: dict[str, str] = {part: settings["dtype"] for part in parts}
    dtypes = stored_dtypes(folder) if settings["dtype"] == "stored" else asked
    sampling = sampling_of(preset.sampling, settings)
    expected = estimate(preset, sampling, dtypes=dtypes, fp8=settings["fp8"])
    rates: dict[str, Any] = {"tflops": tflops, "bandwidth": bandwidth}
    shared = parallel and parallel_costs(preset, parallel, sampling, settings, dtypes=dtypes, **rates)
    elsewhere = {stage: settings[url] for stage, url in _SERVED.items() if url in settings}
    here = replace(expected, stages={name: one for name, one in expected.stages.items() if name not in elsewhere})
    return {
        "flops": expected.flops,
        "flops_per_step": expected.step_flops,
        "peak_bytes": here.peak_bytes,
        "offloaded_peak_bytes": here.offloaded_peak_bytes,
        "seconds": None if tflops is None else expected.seconds(tflops),
        "tflops": tflops,
        "parallel": shared,
        "stages": [
            {
                "stage": name,
                "parameters": stage.parameters,
                "weight_bytes": stage.weight_bytes,
                "activation_bytes": stage.activation_bytes,
                "flops": stage.flops,
                "served_by": elsewhere.get(name),
            }
            for name, stage in expected.stages.items()
        ],
        "published": [
            {
                "source": row.source,
                "size": f"{row.frames}x{row.height}x{row.width}",
                "gpus": row.gpus,
                "seconds_per_step": row.seconds / row.steps,
                "implied_tflops_per_gpu": row.implied_tflops,
                "implied_utilisation": row.implied_utilisation,
            }
            for row in PUBLISHED
        ],
    }
