"""Networks behind metrics: clips and texts in, features out. Each reads its weights by name and checks their hash.

Importing this package imports no torch; that happens when one of its names is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.backbones.i3d import I3D
    from metrics.backbones.protocol import FrameBackbone, VideoBackbone
    from metrics.backbones.registry import BACKBONES, load_backbone, load_frame_backbone

__all__ = ["BACKBONES", "I3D", "FrameBackbone", "VideoBackbone", "load_backbone", "load_frame_backbone"]

_LAZY = {
    "BACKBONES": "metrics.backbones.registry",
    "I3D": "metrics.backbones.i3d",
    "FrameBackbone": "metrics.backbones.protocol",
    "VideoBackbone": "metrics.backbones.protocol",
    "load_backbone": "metrics.backbones.registry",
    "load_frame_backbone": "metrics.backbones.registry",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'metrics.backbones' has no attribute {name!r}")
