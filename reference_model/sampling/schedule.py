"""Flow matching: the times at which the transformer is asked for a velocity, and the Euler step between them."""

from __future__ import annotations

import math
from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor

from reference_model.errors import ConfigError


class FlowMatchingSchedule:
    """Times from noise (0) to data (1), shifted towards the noise, and Euler steps along them.

    With `u_i = 1 - i / N` and `s_i = k u_i / (1 + (k - 1) u_i)` for a shift k, time i is `1 - s_i` (Esser et al. 2024,
    section 5.3.2). On the straight path `x_t = (1 - t) noise + t data` the velocity is `data - noise`.

    Attributes:
        sigmas: float32 (num_steps + 1,), all times with both ends.
        timesteps: float32 (num_steps,), the times at which a velocity is needed: all but the last.

    Args:
        num_steps: Number of Euler steps N.
        time_shift: The shift k; 1 spaces times evenly.
        reverse: Use `s_i` themselves: from noise (1) to data (0).
    """

    def __init__(self, num_steps: int, time_shift: float, *, reverse: bool = False) -> None:
        if not isinstance(num_steps, Integral) or num_steps < 1:
            raise ConfigError(f"a schedule needs a whole number of steps, at least one step, got num_steps={num_steps}")
        if not 0 < time_shift < math.inf:
            raise ConfigError(f"time_shift must be above 0, got {time_shift}", hint="1.0 spaces the steps evenly")
        u = torch.linspace(1, 0, num_steps + 1, dtype=torch.float32)
        shifted = time_shift * u / (1 + (time_shift - 1) * u)
        self.sigmas: Float[Tensor, " times"] = shifted if reverse else 1 - shifted
        self.timesteps: Float[Tensor, " steps"] = self.sigmas[:-1]

    def __len__(self) -> int:
        return len(self.timesteps)

    def step(
        self, velocity: Float[Tensor, "*shape"], index: int, sample: Float[Tensor, "*shape"]
    ) -> Float[Tensor, "*shape"]:
        """The sample at time `index + 1` from the one at time `index`; always float32.

        Args:
            velocity: d x / d t at time `index`.
            index: Step, 0 to num_steps - 1.
            sample: x at time `index`.

        Raises:
            ConfigError: If `index` is no step of this schedule.
        """
        if index not in range(len(self)):
            raise ConfigError(f"step index must be 0 to {len(self) - 1}, got {index}")
        duration = self.sigmas[index + 1] - self.sigmas[index]
        return sample.float() + velocity.float() * duration
