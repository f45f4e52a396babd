from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from world_strategies import scenes

from stepbench.worlds.moving_shapes import Scene, SceneError, ShapeGroup, sample_scene

RED = ShapeGroup(shape="circle", colour="red", size="small", direction="left", speed="slow")
BLUE = replace(RED, colour="blue")
STILL = replace(RED, direction="still", speed=None)


@given(scenes())
@settings(max_examples=100, deadline=None)
def test_json_round_trip(scene):
    assert Scene.from_json(json.loads(json.dumps(scene.to_json()))) == scene


def test_defaults_may_be_left_out_of_json():
    data = {
        "world": "moving_shapes",
        "objects": [{"shape": "circle", "colour": "red", "size": "small", "direction": "left", "speed": "slow"}],
        "background": "black",
    }
    assert Scene.from_json(data) == Scene(objects=(RED,), background="black")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown key 'colour' in ground truth"),
        ({"backgroud": "black"}, "allowed: background"),
        ({"world": "chess"}, "world must be one of .* got 'chess'"),
        ({"background": "pink"}, "background must be .* got 'pink'\n.*black, grey, white"),
        ({"clutter": 1}, "clutter must be .* got 1"),
        ({"objects": "circle"}, "objects must be a list, got str"),
        ({"objects": []}, "one or two groups of objects, got 0"),
        ({"objects": ["circle"]}, "object must be a mapping of attributes, got str"),
        ({"objects": [{"shape": "circle"}]}, "missing key 'colour' in object"),
        ({"objects": [{"hue": 3}]}, "unknown key 'hue' in object"),
    ],
)
def test_json_is_strict(change, message):
    data = Scene(objects=(RED,), background="black").to_json()
    with pytest.raises(SceneError, match=message):
        Scene.from_json({**data, **change})


@pytest.mark.parametrize("key", ["world", "objects", "background"])
def test_json_needs_the_essentials(key):
    data = Scene(objects=(RED,), background="black").to_json()
    del data[key]
    with pytest.raises(SceneError, match=f"missing key '{key}'"):
        Scene.from_json(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": "star"}, "shape must be .* got 'star'\n.*allowed: circle, square, triangle, cross"),
        ({"count": 5}, "count must be .* got 5"),
        ({"count": True}, "count must be .* got True"),
        ({"speed": None}, "speed must be .* got None"),
        ({"speed": "warp"}, "speed must be .* got 'warp'"),
        ({"direction": "still"}, "a still object has no speed, got speed 'slow'"),
        ({"count": 2, "size": "large"}, "several objects must be small .* got 2 of size 'large'"),
    ],
)
def test_group_rules(change, message):
    with pytest.raises(SceneError, match=message):
        replace(RED, **change)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objects": (RED, BLUE, STILL)}, "one or two groups of objects, got 3"),
        ({"objects": (RED,), "relation": "above"}, "relation 'above' needs two objects, got one"),
        ({"objects": (RED, replace(BLUE, count=2))}, "each has count 1, got 1 and 2"),
        ({"objects": (RED, replace(RED, shape="cross"))}, "different colours .* got 'red' twice"),
        ({"objects": (RED, replace(BLUE, size="large"))}, "none is large, got 'small' and 'large'"),
        ({"objects": (RED, replace(BLUE, direction="up")), "relation": "above"}, "both objects move alike"),
        ({"objects": (replace(RED, speed="fast"), replace(BLUE, speed="fast")), "relation": "above"}, "still or slow"),
        ({"objects": (STILL,), "camera": "zoom-in"}, "camera 'zoom-in' cannot be seen on pattern 'plain'"),
        ({"objects": (STILL,), "camera": "pan-up", "pattern": "stripes"}, "cannot be seen on pattern 'stripes'"),
        ({"objects": (RED,), "camera": "pan-up", "pattern": "grid"}, "single still object, got .*'left'"),
        ({"objects": (replace(STILL, count=2),), "camera": "pan-up", "pattern": "grid"}, "'still', 'still'"),
    ],
)
def test_scene_rules(fields, message):
    with pytest.raises(SceneError, match=message):
        Scene(**{"background": "black", **fields})


@pytest.mark.parametrize("level", [1, 2, 3])
def test_sampled_scenes_have_the_level_they_were_drawn_for(level):
    rng = np.random.default_rng(level)
    assert {sample_scene(level, rng).level for _ in range(200)} == {level}


def test_kind_names_what_a_scene_is_about():
    assert Scene(objects=(RED,), background="black").kind == "one-object"
    assert Scene(objects=(replace(RED, count=3),), background="black").kind == "counting"
    assert Scene(objects=(RED, BLUE), background="black").kind == "two-objects"
    assert Scene(objects=(RED, BLUE), background="black", relation="above").kind == "relation"
    assert Scene(objects=(STILL,), background="black", pattern="grid", camera="zoom-in").kind == "camera"
    assert Scene(objects=(RED,), background="black", clutter=True).kind == "texture"
