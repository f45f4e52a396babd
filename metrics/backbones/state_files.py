"""Published state dicts: read without running what is in them, loaded so that no part of a network stays random."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from metrics.errors import UnavailableMetricError
from metrics.weights import find_weights

Network = TypeVar("Network", bound=nn.Module)


def read_state(name: str) -> dict[str, Tensor]:
    """The state dict of published weights, on the CPU.

    Args:
        name: A key of `metrics.weights.WEIGHTS`.

    Raises:
        UnavailableMetricError: The file is missing, or holds something else.
    """
    path = find_weights(name)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise _other_weights(name, str(error).partition("\n")[0] or type(error).__name__) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _other_weights(name, "it holds no state dict")
    return state


def load_state(network: Network, state: Mapping[str, Tensor], name: str) -> Network:
    """The network with these tensors in place of its own, all of them and no other, for evaluation.

    The network may have been made on the meta device: nothing is copied.

    Args:
        name: Of the weights, for errors.

    Raises:
        UnavailableMetricError: Names or shapes differ.
    """
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise _other_weights(name, " ".join(str(error).split())[:300]) from error
    return network.eval().requires_grad_(False)


def _other_weights(name: str, reason: str) -> UnavailableMetricError:
    return UnavailableMetricError(
        f"{find_weights(name)} does not hold the weights {name}: {reason}",
        hint=f"remove it and run `stepbench weights pull {name}`",
    )
