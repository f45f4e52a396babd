"""Natural clips: windows that move over photographs."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from stepbench.video import VideoClip


def pan(photograph: np.ndarray, frames: int, height: int, width: int, step: int) -> VideoClip:
    windows = [photograph[60 : 60 + height, 20 + step * t : 20 + step * t + width] for t in range(frames)]
    return VideoClip(frames=np.ascontiguousarray(np.stack(windows).transpose(0, 3, 1, 2)), fps=8.0)


@pytest.fixture(scope="session")
def pans() -> list[VideoClip]:
    photographs = (skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee())
    return [pan(photograph, 12, 96, 128, 3) for photograph in photographs]


@pytest.fixture(scope="session")
def small_clip() -> VideoClip:
    return pan(skimage.data.astronaut(), 17, 32, 48, 2)
