"""Where a model runs, as the environment says. Part of no key: it changes time and memory, not what is asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from stepbench.errors import EnvironmentUnfitError


@dataclass(frozen=True)
class Placement:
    """A torch device, and which weights rest in main memory meanwhile."""

    device: str
    offload: str


def read_placement(prefix: str, offloads: Sequence[str]) -> Placement:
    """`<prefix>_DEVICE` (default: a GPU where there is one) and `<prefix>_OFFLOAD` (default: the first of `offloads`).

    Raises:
        EnvironmentUnfitError: A device that is not there, or an unknown offload.
    """
    import torch

    device = os.environ.get(f"{prefix}_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    offload = os.environ.get(f"{prefix}_OFFLOAD") or offloads[0]
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EnvironmentUnfitError(
            f"{prefix}_DEVICE={device} cannot be used here: {reason}", hint="unset it, or give cpu, cuda or cuda:1"
        ) from error
    if offload not in offloads:
        raise EnvironmentUnfitError(f"unknown {prefix}_OFFLOAD={offload}", hint=f"give {' or '.join(offloads)}")
    return Placement(device, offload)
