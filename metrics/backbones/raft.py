"""Optical flow by RAFT (Teed and Deng, ECCV 2020): torchvision's network with the weights published for it."""

from __future__ import annotations

import hashlib
import importlib
import pickle
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional

from metrics.errors import UnavailableMetricError
from metrics.functional.checks import check_side
from metrics.weights import find_weights

MIN_SIDE = 128
"""Below it the coarsest level of the correlation pyramid is empty."""

_STRIDE = 8


class RaftFlow:
    """An estimator of optical flow, from each frame to the next, at the clip's own size.

    Attributes:
        name: `raft-large`.
        weights_hash: Start of the sha256 of the weights' file.
        policy: Native size and number of refinements; part of every metric id.
    """

    name = "raft-large"
    refinements = 20
    policy = "native-raft20"

    def __init__(self, network: torch.nn.Module, weights_hash: str) -> None:
        self.weights_hash = weights_hash
        self._network = network.eval()

    @torch.inference_mode()
    def __call__(self, pixels: UInt8[np.ndarray, "t h w 3"]) -> Float32[np.ndarray, "pairs h w 2"]:
        """Flow (dx, dy) in pixels from each frame to the next.

        Raises:
            ClipError: Frames are smaller than 128 x 128 pixels.
        """
        check_side(pixels.shape[1:3], MIN_SIDE, "RAFT", hint='flow="dis" takes frames from 16 x 16 pixels')
        return np.stack([self._pair(before, after) for before, after in pairwise(pixels)])

    def _pair(
        self, before: UInt8[np.ndarray, "h w 3"], after: UInt8[np.ndarray, "h w 3"]
    ) -> Float32[np.ndarray, "h w 2"]:
        height, width = before.shape[:2]
        top, left = (-height % _STRIDE) // 2, (-width % _STRIDE) // 2
        flow = self._network(self._prepared(before), self._prepared(after), num_flow_updates=self.refinements)[-1][0]
        return flow[:, top : top + height, left : left + width].permute(1, 2, 0).cpu().numpy()

    def _prepared(self, frame: UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "1 3 y x"]:
        """On [-1, 1], its border repeated until both sides are multiples of 8."""
        device = next(self._network.parameters()).device
        levels = torch.from_numpy(frame.astype(np.float32)).to(device).permute(2, 0, 1)[None] / 127.5 - 1
        rows, columns = (-side % _STRIDE for side in frame.shape[:2])
        margins = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return functional.pad(levels, margins, mode="replicate")


def load_raft(device: torch.device | str = "cpu") -> RaftFlow:
    """RAFT with its published weights; loaded once per process, file and device.

    Raises:
        UnavailableMetricError: The weights are not on this machine or are none of RAFT, or torchvision is missing.
    """
    return _load(find_weights("raft-large"), torch.device(device))


@lru_cache(maxsize=2)
def _load(path: Path, device: torch.device) -> RaftFlow:
    network = _architecture()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise UnavailableMetricError(
            f"{path} does not hold the weights of RAFT ({type(error).__name__}: {str(error).splitlines()[0]})",
            hint="run `stepbench weights pull raft-large` again",
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return RaftFlow(network.to(device), digest[:12])


def _architecture() -> Any:
    try:
        return importlib.import_module("torchvision.models.optical_flow").raft_large(weights=None)
    except ImportError as error:
        raise UnavailableMetricError(
            f"RAFT needs torchvision, which cannot be imported ({error})", hint="pip install torchvision"
        ) from error
