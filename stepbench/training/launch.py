"""Which device a training process works on, and how several processes find each other under `torchrun`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch

from reference_model.errors import ConfigError
from reference_model.training.distributed import barrier, is_main, start, stop
from stepbench.errors import EnvironmentUnfitError, UsageError

PATIENCE = timedelta(hours=12)
"""How long a process waits for the others: one of them may have all clips of a large folder to encode."""


def shows_progress() -> bool:
    """Whether this process draws bars: the main one, on a terminal."""
    return is_main() and sys.stderr.isatty()


@contextmanager
def main_first() -> Iterator[None]:
    """The main process does what is inside the block; the others wait for it, do it too, and find its files there.

    Raises:
        UsageError: In the others, if the main process has failed meanwhile.
    """
    if not is_main():
        try:
            barrier()
        except RuntimeError as error:
            raise UsageError("the first process has stopped", hint="it has said why") from error
    yield
    if is_main():
        barrier()


@contextmanager
def launched(device: str) -> Iterator[torch.device]:
    """The device of this process; inside the block it belongs to a process group if `torchrun` started several.

    Args:
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, or with a number for a single process.

    Raises:
        EnvironmentUnfitError: There is no such device, or not one for each process.
        UsageError: One numbered device for several processes.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and ":" in device:
        raise UsageError(f"several processes cannot share --device {device}", hint="give auto, cpu or cuda")
    choose_device(device)
    try:
        chosen = start(device, patience=PATIENCE)
    except ConfigError as error:
        raise EnvironmentUnfitError(error.message, hint=error.hint) from error
    try:
        yield chosen
    finally:
        stop()


def choose_device(text: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:1` as a device that is there.

    Raises:
        EnvironmentUnfitError: There is no such device.
    """
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if text == "auto" else text)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EnvironmentUnfitError(
            f"--device {text} cannot be used here: {reason}", hint="give auto, cpu, cuda or cuda:1"
        ) from error
    return device
