"""Backbones by name, without importing any of them."""

from __future__ import annotations

import importlib
from difflib import get_close_matches

import torch

from metrics.backbones.protocol import VideoBackbone
from metrics.errors import UnknownMetricError

BACKBONES: dict[str, str] = {}
"""Name -> `module:function`; the function takes a device and returns the backbone with its weights."""


def load_backbone(name: str, device: torch.device | str = "cpu") -> VideoBackbone:
    """A backbone, ready to be called.

    Raises:
        UnknownMetricError: There is none of this name.
        UnavailableMetricError: Its weights or a package that it needs are not on this machine.
    """
    if name not in BACKBONES:
        close = get_close_matches(name, BACKBONES)
        raise UnknownMetricError(
            f"no backbone is called {name!r}",
            hint=f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(BACKBONES)}",
        )
    module, _, function = BACKBONES[name].partition(":")
    return getattr(importlib.import_module(module), function)(torch.device(device))
