"""Hypothesis strategies for the moving-shapes world."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from stepbench.worlds.moving_shapes import Scene, sample_scene


@st.composite
def scenes(draw: st.DrawFn, levels: tuple[int, ...] = (1, 2, 3)) -> Scene:
    return sample_scene(draw(st.sampled_from(levels)), np.random.default_rng(draw(st.integers(0, 10**9))))
