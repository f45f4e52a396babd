"""Whether the distance between sets of clips, as the `shapes` backbone sees them, grows with what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32

from metrics.backbones.shapes import ShapesEncoder
from metrics.functional.frechet import frechet_distance
from stepbench.training.shapes_scores import drawn_scene
from stepbench.worlds.moving_shapes.corruptions import damage_frames
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.scene import STILL, Scene, ShapeGroup
from stepbench.worlds.moving_shapes.seeding import keyed_rng

DAMAGES: dict[str, tuple[float, ...]] = {
    "blur": (0.5, 1.0, 2.0, 4.0),
    "noise": (5.0, 10.0, 20.0, 40.0),
    "flicker": (2.0, 5.0, 10.0, 20.0),
    "jitter": (0.5, 1.0, 2.0, 4.0),
    "frozen": (1.0,),
    "dropped": (1.0,),
    "shuffle": (1.0,),
}
"""Kind of `corruptions.FRAME_DAMAGES` -> rising strengths."""

COLLAPSES: dict[str, Callable[[ShapeGroup], ShapeGroup]] = {
    "all red": lambda group: replace(group, colour="red"),
    "all circles": lambda group: replace(group, shape="circle"),
    "all large": lambda group: replace(group, size="large"),
    "all to the left": lambda group: replace(group, direction="left", speed=group.speed or "slow"),
    "all slow": lambda group: replace(group, speed=None if group.direction == STILL else "slow"),
    "all still": lambda group: replace(group, direction=STILL, speed=None),
}
"""What a model makes that has lost the variety of one attribute."""

Draw = Callable[[int], np.ndarray]


def distance_table(encoder: ShapesEncoder, clips: int) -> pd.DataFrame:
    """Fréchet distances of damaged sets of level 1 from a set of held-out clips, beside that of an undamaged one.

    The undamaged set, `real`, and every damaged one show the same scenes; none of these is in the reference.

    Args:
        encoder: Gives the features.
        clips: In each set.

    Returns:
        Columns kind, strength, distance, ratio (distance over that of `real`).
    """
    reference = _features(encoder, _clip, range(clips))
    rows: list[dict[str, Any]] = []
    for kind, strength, draw in _sets():
        distance = float(frechet_distance(reference, _features(encoder, draw, range(clips, 2 * clips))))
        rows.append({"kind": kind, "strength": strength, "distance": distance})
    return pd.DataFrame(rows).assign(ratio=lambda table: table["distance"] / table["distance"].iloc[0])


def _sets() -> Iterable[tuple[str, float, Draw]]:
    yield "real", 0.0, _clip
    for kind, strengths in DAMAGES.items():
        for strength in strengths:
            yield kind, strength, _damaged(kind, strength)
    yield "red and blue swapped", 1.0, lambda number: _clip(number)[:, ::-1].copy()
    for kind, change in COLLAPSES.items():
        yield kind, 1.0, _collapsed(change)


def _scene(number: int) -> Scene:
    return drawn_scene("test", (1,), number)


def _clip(number: int) -> np.ndarray:
    return render(_scene(number), number)


def _damaged(kind: str, strength: float) -> Draw:
    return lambda number: damage_frames(kind, strength, _clip(number), keyed_rng("damage", kind, number))


def _collapsed(change: Callable[[ShapeGroup], ShapeGroup]) -> Draw:
    def draw(number: int) -> np.ndarray:
        scene = _scene(number)
        return render(replace(scene, objects=tuple(map(change, scene.objects))), number)

    return draw


def _features(encoder: ShapesEncoder, draw: Draw, numbers: Iterable[int]) -> Float32[torch.Tensor, "n d"]:
    return torch.cat([encoder.features(torch.from_numpy(draw(number))[None]) for number in numbers])
