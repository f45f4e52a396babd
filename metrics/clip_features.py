"""One row of features per clip, whatever network they come from: by name or as an object, of clips or of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.backbones import registry
from metrics.backbones.protocol import VideoBackbone
from metrics.errors import ClipError, MetricError
from metrics.functional.checks import check_batch


class FrameBackbone(Protocol):
    """A fixed network that turns single frames into features; see `VideoBackbone` for its attributes."""

    name: str
    weights_hash: str
    policy: str
    dimensions: int

    def frame_features(self, frames: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n dimensions"]:
        """One feature per frame, on the CPU.

        Raises:
            ClipError: `frames` is no uint8 batch.
        """
        ...


class EvenFrames:
    """A frame backbone as one of clips: the middles of equal stretches of the clip, their features side by side.

    Args:
        backbone: Gives the features.
        frames: How many of each clip; a clip that has fewer is refused, since a repeated frame adds nothing.
    """

    def __init__(self, backbone: FrameBackbone, frames: int) -> None:
        self._backbone = backbone
        self._frames = frames
        self.name = backbone.name
        self.weights_hash = backbone.weights_hash
        self.policy = f"{frames}f-{backbone.policy}"
        self.dimensions = frames * backbone.dimensions

    def features(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """The features of the chosen frames, one row per clip.

        Raises:
            ClipError: `clips` is no uint8 batch, or its clips have too few frames.
        """
        check_batch(clips)
        if clips.shape[1] < self._frames:
            raise ClipError(
                f"{self._frames} different frames of each clip are compared, got clips of {clips.shape[1]}",
                hint=f"choose fewer: frames={clips.shape[1]}; the number is part of the metric's id",
            )
        places = (2 * torch.arange(self._frames) + 1) * clips.shape[1] // (2 * self._frames)
        chosen = clips[:, places].flatten(0, 1)
        return self._backbone.frame_features(chosen).reshape(len(clips), -1)


class SideBySide:
    """Several backbones as one whose features stand side by side, as of one architecture at several random seeds."""

    def __init__(self, name: str, backbones: Sequence[VideoBackbone]) -> None:
        sizes, policies = ({getattr(one, field) for one in backbones} for field in ("dimensions", "policy"))
        if len(sizes) != 1 or len(policies) != 1:
            raise MetricError(f"the backbones of {name} must agree in size and policy, got {sizes} and {policies}")
        self._backbones = tuple(backbones)
        self.name = name
        hashes = " ".join(one.weights_hash for one in backbones)
        self.weights_hash = hashlib.sha256(hashes.encode()).hexdigest()[:12]
        self.policy = f"{backbones[0].policy}-{len(backbones)}seeds"
        self.dimensions = sum(one.dimensions for one in backbones)

    def features(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """The features of every backbone, one row per clip."""
        return torch.cat([one.features(clips) for one in self._backbones], dim=1)


class Handle:
    """What a metric holds of a backbone: its name or the object itself, never a copy and never a part of the metric.

    Args:
        backbone: Name in the registry of backbones, in hyphen or underscore spelling, or an object.
        method: What it must be able to do: `features` of clips or `frame_features` of frames.

    Raises:
        UnknownMetricError: There is no backbone of this name.
        MetricError: The object is no backbone of this kind.
    """

    def __init__(self, backbone: Any, method: str = "features") -> None:
        self._object = None if isinstance(backbone, str) else backbone
        self._name = _registered(backbone) if isinstance(backbone, str) else ""
        if self._object is not None:
            _check(self._object, method)
        self._method = method

    def on(self, device: torch.device | str) -> Any:
        """The backbone; a named one on `device`, an object where it is.

        Raises:
            UnavailableMetricError: Its weights or a package that it needs are not on this machine.
        """
        if self._object is not None:
            return self._object
        found = _loaded(self._name, registry.BACKBONES.get(self._name, ""), str(device))
        _check(found, self._method)
        return found

    def __deepcopy__(self, memo: Any) -> Handle:
        # Networks are fixed: copies of a metric share one.
        return self


@cache
def _loaded(name: str, target: str, device: str) -> Any:
    # Once per process: metrics on the same backbone share its weights. `target` is there for the cache alone.
    return registry.load_backbone(name, device)


def _registered(name: str) -> str:
    wanted = name.strip().lower().replace("_", "-")
    return next((known for known in registry.BACKBONES if known.replace("_", "-") == wanted), wanted)


def _check(backbone: Any, method: str) -> None:
    lacking = [
        field for field in ("name", "weights_hash", "policy", "dimensions", method) if not hasattr(backbone, field)
    ]
    if lacking:
        kind = "of clips" if method == "features" else "of single frames"
        raise MetricError(
            f"a backbone {kind} is wanted, got {getattr(backbone, 'name', type(backbone).__name__)!r} "
            f"without {', '.join(lacking)}",
            hint="see metrics.backbones.protocol",
        )
