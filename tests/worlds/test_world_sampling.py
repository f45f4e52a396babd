from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.errors import UsageError
from stepbench.worlds.moving_shapes import Scene, ShapeGroup, sample_scene, split_of
from stepbench.worlds.moving_shapes.sampling import KINDS
from stepbench.worlds.moving_shapes.scene import COLOURS, DIRECTIONS, SHAPES, SIZES, SPEEDS


def all_groups():
    motions = [*product(DIRECTIONS[:-1], SPEEDS), ("still", None)]
    for shape, colour, size, (direction, speed) in product(SHAPES, COLOURS, SIZES, motions):
        yield ShapeGroup(shape=shape, colour=colour, size=size, direction=direction, speed=speed)


def key_of(group):
    return group.colour, group.shape, group.size, group.direction, group.speed


def test_one_combination_in_eight_is_for_testing_and_every_value_is_on_both_sides():
    sides = {key_of(group): split_of(Scene(objects=(group,), background="black")) for group in all_groups()}
    assert len(sides) == 1224
    assert sum(side == "test" for side in sides.values()) == 153
    for place in range(5):
        values = {key[place] for key in sides}
        for side in ("train", "test"):
            assert {key[place] for key in sides if sides[key] == side} == values


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]))
@settings(max_examples=30, deadline=None)
def test_splits_share_no_combination_of_an_objects_attributes(seed, level):
    rng = np.random.default_rng(seed)
    trained = {key_of(group) for _ in range(10) for group in sample_scene(level, rng, split="train").objects}
    tested = {key_of(group) for _ in range(3) for group in sample_scene(level, rng, split="test").objects}
    assert not trained & tested


def test_the_split_ignores_everything_but_the_objects():
    for group in list(all_groups())[::37]:
        scenes = [
            Scene(objects=(group,), background=tone, clutter=clutter)
            for tone in ("black", "white")
            for clutter in (False, True)
        ]
        assert len({split_of(scene) for scene in scenes}) == 1


def test_two_objects_of_different_sides_belong_to_neither():
    rng = np.random.default_rng(0)
    drawn = [sample_scene(2, rng, kind="two-objects") for _ in range(300)]
    for scene in drawn:
        sides = {split_of(Scene(objects=(group,), background="black")) for group in scene.objects}
        assert split_of(scene) == (sides.pop() if len(sides) == 1 else "mixed")
    assert {split_of(scene) for scene in drawn} >= {"train", "mixed"}


def test_sampling_is_a_function_of_the_generator_alone():
    first, second = (np.random.default_rng(7) for _ in range(2))
    assert [sample_scene(3, first) for _ in range(20)] == [sample_scene(3, second) for _ in range(20)]


@pytest.mark.parametrize(("level", "kind"), [(level, kind) for level, kinds in KINDS.items() for kind in kinds])
def test_kinds_can_be_asked_for(level, kind):
    assert sample_scene(level, np.random.default_rng(0), kind=kind).kind == kind


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 4}, "level is 1, 2 or 3, got 4"),
        ({"level": 1, "split": "dev"}, "split must be .* got 'dev'"),
        ({"level": 1, "kind": "camera"}, "level 1 has no kind 'camera'\n.*one-object"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(UsageError, match=message):
        sample_scene(**arguments, rng=np.random.default_rng(0))
