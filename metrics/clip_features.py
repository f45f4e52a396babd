"""One row of features per clip, whatever network they come from: by name or as an object, of clips or of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.backbones import registry
from metrics.backbones.clip_sampling import frames_seen
from metrics.backbones.protocol import FrameBackbone, VideoBackbone
from metrics.errors import MetricError

BACKBONE_OPTIONS = ("frames", "stride", "resize", "precision")
"""What a metric hands on to the loader of a backbone that it is given by name. Each is part of the policy."""


def backbone_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Take the options of the backbone out of a metric's keywords."""
    return {name: kwargs.pop(name) for name in BACKBONE_OPTIONS if name in kwargs}


class FramesSideBySide:
    """A frame backbone as one of clips: the features of the frames that its policy names, side by side.

    Args:
        backbone: Gives the features.
        frames: How many it samples from each clip.
    """

    def __init__(self, backbone: FrameBackbone, frames: int) -> None:
        self._backbone = backbone
        self._frames = frames
        self.name = backbone.name
        self.weights_hash = backbone.weights_hash
        self.policy = backbone.policy
        self.dimensions = frames * backbone.dimensions

    def features(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """The features of the chosen frames, one row per clip.

        Raises:
            ClipError: `clips` is no uint8 batch, or its clips have too few frames.
            MetricError: The backbone samples another number of frames.
        """
        chosen = self._backbone.sample(clips)
        if chosen.shape[1] != self._frames:
            raise MetricError(
                f"the backbone {self.name} samples {chosen.shape[1]} frames of each clip, not {self._frames}",
                hint=f"build the metric with frames={chosen.shape[1]}",
            )
        return self._backbone.frame_features(chosen.flatten(0, 1)).reshape(len(clips), -1)

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Those of the backbone."""
        return frames_seen(self._backbone, frames)


class BackbonesSideBySide:
    """Several backbones as one whose features stand side by side, as of one architecture at several random seeds.

    Args:
        backbones: Of one name, size and policy.

    Raises:
        MetricError: They differ in one of these.
    """

    def __init__(self, backbones: Sequence[VideoBackbone]) -> None:
        kinds = {(one.name, one.policy, one.dimensions) for one in backbones}
        if len(kinds) != 1:
            raise MetricError(
                "backbones that are averaged must agree in name, policy and dimensions, got "
                + ", ".join(map(str, sorted(kinds)))
            )
        hashes = [one.weights_hash for one in backbones]
        if len(set(hashes)) < len(hashes):
            raise MetricError(f"backbones that are averaged must have weights of their own, got {', '.join(hashes)}")
        self._backbones = tuple(backbones)
        self.name = backbones[0].name
        self.weights_hash = hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]
        self.policy = f"{backbones[0].policy}-{len(backbones)}seeds"
        self.dimensions = sum(one.dimensions for one in backbones)

    def features(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch dimensions"]:
        """The features of every backbone, one row per clip."""
        return torch.cat([one.features(clips) for one in self._backbones], dim=1)

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Those of any of the backbones, whose policies are one."""
        return frames_seen(self._backbones[0], frames)


class Handle:
    """What a metric holds of a backbone: its name and options, or the object itself; never a copy of its weights.

    Args:
        backbone: Name in the registry of backbones, in hyphen or underscore spelling, or an object.
        of_frames: Whether it must be one of single frames.
        **options: Keywords of a named backbone's loader.

    Raises:
        MetricError: The object is no backbone of this kind, or comes with options.
    """

    def __init__(self, backbone: Any, *, of_frames: bool = False, **options: Any) -> None:
        self._object = None if isinstance(backbone, str) else backbone
        self._name = _registered(backbone) if isinstance(backbone, str) else ""
        self._of_frames = of_frames
        self._options = tuple(sorted(options.items()))
        if self._object is not None:
            if options:
                raise MetricError(
                    f"the backbone is given as an object, so {', '.join(sorted(options))} cannot be chosen any more",
                    hint="give its name, or make the object with these options",
                )
            _check(self._object, of_frames)

    def on(self, device: torch.device | str) -> Any:
        """The backbone; a named one on `device`, an object where it is.

        Raises:
            UnknownMetricError: There is no backbone of this name.
            UnavailableMetricError: Its weights or a package that it needs are not on this machine.
            MetricError: It is of the other kind, or does not take the options.
        """
        if self._object is not None:
            return self._object
        target = registry.BACKBONES.get(self._name.partition(":")[0], "")
        return _loaded(self._name, target, str(device), self._of_frames, self._options)

    def __deepcopy__(self, memo: Any) -> Handle:
        # Networks are fixed: copies of a metric share one.
        return self


@cache
def _loaded(name: str, target: str, device: str, of_frames: bool, options: tuple[tuple[str, Any], ...]) -> Any:
    # Once per process: metrics on the same backbone share its weights. `target` is there for the cache alone.
    load = registry.load_frame_backbone if of_frames else registry.load_backbone
    return load(name, device, **dict(options))


def _registered(name: str) -> str:
    kind, colon, argument = name.strip().partition(":")
    wanted = kind.lower().replace("_", "-")
    known = (one for one in registry.BACKBONES if one.replace("_", "-") == wanted)
    return next(known, wanted) + colon + argument


def _check(backbone: Any, of_frames: bool) -> None:
    methods = ("sample", "frame_features") if of_frames else ("features",)
    fields = ("name", "weights_hash", "policy", "dimensions", *methods)
    lacking = [field for field in fields if not hasattr(backbone, field)]
    if lacking:
        raise MetricError(
            f"a backbone of {'single frames' if of_frames else 'clips'} is wanted, got "
            f"{getattr(backbone, 'name', type(backbone).__name__)!r} without {', '.join(lacking)}",
            hint="see metrics.backbones.protocol",
        )
