"""Where the networks of metrics compute: chosen, and found to be there, before any work is done."""

from __future__ import annotations

import re

from stepbench.errors import EnvironmentUnfitError, UsageError

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def choose_device(asked: str) -> str:
    """`auto` as the GPU if there is one, else the CPU; anything else as it is.

    Raises:
        UsageError: Neither auto nor cpu, cuda or cuda:N.
        EnvironmentUnfitError: This machine has no such GPU.
    """
    if not _DEVICE.fullmatch(asked):
        raise UsageError(f"a device is auto, cpu, cuda or cuda:N, got {asked!r}")
    if asked == "cpu":
        return asked
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if int(asked.partition(":")[2] or 0) >= gpus:
        raise EnvironmentUnfitError(
            f"there is no device {asked!r} here: PyTorch sees {gpus} GPUs", hint="take cpu, or auto"
        )
    return asked
