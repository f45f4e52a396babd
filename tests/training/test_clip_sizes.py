"""Which sizes training clips may have, and which one a clip is given."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.errors import UsageError
from stepbench.training.clip_sizes import (
    FITS,
    ClipSize,
    SizeRefusedError,
    SizeRule,
    nearest_valid,
    parse_sizes,
    scale_to_cover,
)

ANY_SIZE = st.builds(ClipSize, st.integers(1, 80), st.integers(1, 200), st.integers(1, 200))


def size(text: str) -> ClipSize:
    return parse_sizes([text])[0]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("17x64x64", "17x64x64"),
        ("1x16x32", "1x16x32"),
        ("20x70x95", "17x64x80"),
        ("51x64x64", "51x64x64"),
        ("16x64x64", None),
        ("2x64x64", None),
        ("17x15x64", None),
    ],
)
def test_the_largest_valid_size_inside(text, inside):
    assert size(text).within == (inside and size(inside))
    assert size(text).is_valid == (text == inside)


@settings(max_examples=200, deadline=None)
@given(one=ANY_SIZE, fit=st.sampled_from(FITS), sizes=st.lists(ANY_SIZE, max_size=3, unique=True))
def test_a_clip_is_only_ever_cut_to_a_valid_size_inside_it(one, fit, sizes):
    rule = SizeRule(fit=fit, sizes=tuple({nearest_valid(other) for other in sizes}))
    try:
        target = rule.target(one)
    except SizeRefusedError:
        return
    assert target.is_valid
    assert one.holds(target)
    assert not rule.sizes or target in rule.sizes
    assert fit != "refuse" or target == one
    height, width = scale_to_cover(one, target)
    assert target.height <= height <= one.height
    assert target.width <= width <= one.width


@settings(max_examples=100, deadline=None)
@given(one=ANY_SIZE)
def test_the_nearest_valid_size_is_valid_and_near(one):
    near = nearest_valid(one)
    assert near.is_valid
    assert abs(near.height - one.height) <= 16
    assert abs(near.frames - one.frames) <= 9


def test_of_several_sizes():
    sizes = parse_sizes(["17x64x64", "34x64x64", "17x96x48", "1x64x64"])
    wide = size("40x100x100")
    assert SizeRule(fit="crop", sizes=sizes).target(wide) == size("34x64x64")
    assert SizeRule(fit="resize", sizes=sizes).target(size("20x192x96")) == size("17x96x48")
    assert SizeRule(fit="resize", sizes=sizes).target(size("34x192x96")) == size("34x64x64")
    assert SizeRule(fit="crop", sizes=sizes).target(size("1x80x80")) == size("1x64x64")


@pytest.mark.parametrize(
    ("clip", "sizes", "reason"),
    [
        ("16x64x64", [], "too short: 16 frames, a clip has 17 or a multiple"),
        ("17x15x64", [], "too small: 15x64 pixels, sides have 16 or a multiple"),
        ("18x64x64", [], "18x64x64 is not a valid size; the nearest inside is 17x64x64: --fit crop"),
        ("17x64x64", ["17x32x32"], "17x64x64 is not one of 17x32x32; the nearest inside is 17x32x32"),
        ("17x32x32", ["17x64x64"], "17x32x32 has none of the sizes 17x64x64 inside it"),
        ("1x64x64", ["17x64x64"], "1x64x64 has none of the sizes 17x64x64 inside it"),
    ],
)
def test_other_clips_are_refused(clip, sizes, reason):
    with pytest.raises(SizeRefusedError) as refused:
        SizeRule(sizes=parse_sizes(sizes)).target(size(clip))
    assert reason in str(refused.value)


@pytest.mark.parametrize("text", ["", "17", "17x64", "0x16x16", "17x64x64x3", "17X64x64", " 17x64x64", "1７x16x16"])
def test_sizes_are_written_as_frames_height_width(text):
    with pytest.raises(UsageError, match="a size must be FRAMESxHEIGHTxWIDTH, got"):
        parse_sizes([text])


def test_sizes_are_given_once():
    with pytest.raises(UsageError, match="a size is given twice in 17x16x16,17x16x16"):
        parse_sizes(["17x16x16", "17x16x16"])


def test_a_rule_names_only_valid_sizes_and_known_fits():
    with pytest.raises(UsageError, match="size 16x60x64 is not valid") as error:
        SizeRule(sizes=parse_sizes(["16x60x64"]))
    assert "the nearest is 17x64x64" in str(error.value)
    with pytest.raises(UsageError, match="fit must be one of refuse, crop, resize, got 'stretch'"):
        SizeRule(fit="stretch")  # type: ignore[arg-type]
