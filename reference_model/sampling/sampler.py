"""The sampling loop."""

from __future__ import annotations

from collections.abc import Callable

from reference_model.sampling.guidance import Latents, Velocity
from reference_model.sampling.schedule import FlowMatchingSchedule

StepCallback = Callable[[int, float, Latents], None]
"""Called after every step with (index of the step, time it started at, latents after it)."""


def sample_latents(
    velocity: Velocity, noise: Latents, schedule: FlowMatchingSchedule, *, callback: StepCallback | None = None
) -> Latents:
    """Follows a velocity field from noise to data; the state stays float32 throughout.

    Args:
        velocity: The field.
        noise: Latents at the first time.
        schedule: Times and step rule.
        callback: See `StepCallback`. It may not change the latents; raising an exception stops the loop.
    """
    latents = noise.float()
    for index, time in enumerate(schedule.timesteps):
        latents = schedule.step(velocity(latents, time), index, latents)
        if callback is not None:
            callback(index, float(time), latents)
    return latents
