"""Relations have a sign: `left of` and `right of` are told apart, which the rule of VBench's dimension does not do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import metrics
from stepbench.worlds.moving_shapes.measure import measure_clip
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.scene import Scene, ShapeGroup

RED = ShapeGroup(shape="circle", colour="red", size="small", direction="still")
BLUE = ShapeGroup(shape="square", colour="blue", size="small", direction="still")
OPPOSITE = {"left-of": "right-of", "right-of": "left-of", "above": "below", "below": "above"}


def unsigned_rule(relation: str, boxes: list[np.ndarray]) -> float:
    """VBench's spatial relationship of two boxes (x0, y0, x1, y1), put in our words.

    Which axis the centres differ on more must be that of the relation; boxes that overlap by a tenth or more lose
    credit. The direction along that axis is never looked at.
    """
    a, b = boxes
    dx, dy = np.abs((a[:2] + a[2:]) / 2 - (b[:2] + b[2:]) / 2)
    along = dx > dy if relation in ("left-of", "right-of") else dy > dx
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    overlap = max(width, 0) * max(height, 0)
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - overlap
    return float(along) * min(1.0, 0.1 / max(overlap / union, 1e-9))


@pytest.mark.parametrize("relation", OPPOSITE)
def test_opposite_relations_get_other_scores_here_and_equal_ones_by_the_unsigned_rule(relation):
    scene = Scene(objects=(RED, BLUE), background="white", relation=relation)
    opposite = Scene(objects=(RED, BLUE), background="white", relation=OPPOSITE[relation])
    clip = render(scene, 4, frames=9)
    signed = {}
    for asked in (scene, opposite):
        alignment = metrics.build("shape_alignment")
        alignment.update(torch.from_numpy(clip)[None], ground_truth=[asked.to_json()])
        signed[asked.relation] = float(alignment.compute())
    assert signed[relation] == 1
    assert signed[OPPOSITE[relation]] < 1
    centres = {group.colour: np.array(group.centre) for group in measure_clip(clip, groups=2).groups}
    boxes = [np.concatenate([centres[colour] - 0.1, centres[colour] + 0.1]) for colour in ("red", "blue")]
    assert unsigned_rule(relation, boxes) == unsigned_rule(OPPOSITE[relation], boxes) == 1
