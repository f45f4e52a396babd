"""Backbones by name, without importing any of them.

`transformers:FOLDER` hands what follows the colon to the loader; everything else is an option: `load_backbone("i3d",
frames=32)`.
"""

from __future__ import annotations

import importlib
import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from metrics.errors import MetricError, UnknownMetricError

if TYPE_CHECKING:
    import torch

    from metrics.backbones.protocol import FrameBackbone, VideoBackbone

BACKBONES: dict[str, str] = {
    "i3d": "metrics.backbones.i3d_features:load_i3d",
    "i3d-torchscript": "metrics.backbones.i3d_features:load_i3d_torchscript",
    "videomae": "metrics.backbones.videomae:load_videomae",
    "transformers": "metrics.backbones.transformers_video:load_transformers",
    "shapes": "metrics.backbones.shapes_features:load_shapes",
    "random-3d": "metrics.backbones.random_features:load_random_3d",
    "inception": "metrics.backbones.inception:load_inception",
    "random-2d": "metrics.backbones.random_features:load_random_2d",
}
"""Name -> `module:function`; the function takes a device and returns the backbone with its weights."""

FRAME_BACKBONES: frozenset[str] = frozenset({"inception", "random-2d"})
"""Those that see single frames, for `load_frame_backbone`."""


def load_backbone(name: str, device: torch.device | str = "cpu", **options: Any) -> VideoBackbone:
    """A network that turns clips into features, ready to be called.

    Args:
        name: A key of `BACKBONES`, or `transformers:FOLDER`.
        device: Where it computes.
        **options: Keywords of the backbone's loader, such as `frames`.

    Raises:
        UnknownMetricError: There is none of this name.
        UnavailableMetricError: Its weights or a package that it needs are not on this machine.
        MetricError: It sees single frames, or does not take these options.
    """
    if name in FRAME_BACKBONES:
        others = ", ".join(one for one in BACKBONES if one not in FRAME_BACKBONES)
        raise MetricError(
            f"the backbone {name} sees single frames, not clips",
            hint=f"take it for a distance between frames; others are {others}",
        )
    return _load(name, device, options)


def load_frame_backbone(name: str, device: torch.device | str = "cpu", **options: Any) -> FrameBackbone:
    """A network that turns single frames into features, ready to be called.

    Args:
        name: One of `FRAME_BACKBONES`.
        device: Where it computes.
        **options: Keywords of the backbone's loader, such as `frames`.

    Raises:
        UnknownMetricError: There is none of this name.
        UnavailableMetricError: Its weights or a package that it needs are not on this machine.
        MetricError: It sees whole clips, or does not take these options.
    """
    if name.partition(":")[0] in {*BACKBONES} - FRAME_BACKBONES:
        raise MetricError(
            f"the backbone {name} sees whole clips, not single frames",
            hint="take it for a distance between clips; others are " + ", ".join(sorted(FRAME_BACKBONES)),
        )
    return _load(name, device, options)


def _load(name: str, device: torch.device | str, options: dict[str, Any]) -> Any:
    import torch

    kind, colon, argument = name.partition(":")
    if kind not in BACKBONES:
        close = get_close_matches(kind, BACKBONES)
        raise UnknownMetricError(
            f"no backbone is called {name!r}",
            hint=f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(BACKBONES)}",
        )
    module, _, function = BACKBONES[kind].partition(":")
    loader = getattr(importlib.import_module(module), function)
    arguments = [torch.device(device), *([argument] if colon else [])]
    try:
        inspect.signature(loader).bind(*arguments, **options)
    except TypeError as error:
        takes = ", ".join(list(inspect.signature(loader).parameters)[1:]) or "nothing"
        raise MetricError(f"the backbone {name} cannot be loaded so: {error}", hint=f"it takes {takes}") from error
    return loader(*arguments, **options)
