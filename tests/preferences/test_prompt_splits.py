from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.errors import UsageError
from stepbench.preferences.dpo.prompt_texts import normalised_text
from stepbench.preferences.dpo.splits import SPLITS, SplitShares, prompt_families, split_families


@dataclass(frozen=True)
class Asked:
    prompt_id: str
    prompt: str
    pair_group: str | None = None


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("A red ball, rolling.", "a  RED ball\nrolling"),
        ("ａ ｒｅｄ ｂａｌｌ", "a red ball"),  # full width
        ("a red-ball", "a red ball"),
        ("STRASSE", "straße"),
        ("红色的球，滚动。", "红色的球 滚动"),
        ("cafe\u0301", "café"),  # a combining accent
        ("a\u200bred ball", "a red ball"),  # zero-width space
        ("don't", "don’t"),
    ],
)
def test_what_asks_for_the_same_is_one_text(one, two):
    assert normalised_text(one) == normalised_text(two)


def test_what_asks_for_something_else_is_another_text():
    assert len({normalised_text(text) for text in ("2 balls", "3 balls", "a ball", "球", "!!!", "???", "")}) == 7


@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing(text):
    assert normalised_text(normalised_text(text)) == normalised_text(text)


texts = st.sampled_from(["a ball", "A BALL!", "a cube", "a  cube.", "球", "a cat", "two cats", "Two-cats"])
prompts = st.lists(
    st.builds(Asked, st.integers(0, 12).map("p{}".format), texts, st.none() | st.integers(0, 5).map("g{}".format)),
    min_size=1,
    max_size=25,
)
shares = st.builds(SplitShares, val=st.sampled_from([0.0, 0.1, 0.3]), test=st.sampled_from([0.0, 0.1, 0.5]))


@settings(max_examples=300)
@given(prompts, shares)
def test_no_prompt_text_or_translation_is_in_two_splits(items, held_out):
    families = prompt_families(items)
    sides = split_families(families, held_out)
    for key in (lambda one: one.prompt_id, lambda one: normalised_text(one.prompt), lambda one: one.pair_group):
        for value in {key(item) for item in items} - {None}:
            assert len({sides[family] for family, item in zip(families, items, strict=True) if key(item) == value}) == 1
    assert set(sides.values()) <= set(SPLITS)
    assert "train" in sides.values()
    if held_out.test == 0:
        assert "test" not in sides.values()
    if held_out.val == 0:
        assert "val" not in sides.values()


@given(prompts, st.randoms())
def test_the_order_of_prompts_changes_no_family(items, random):
    shuffled = random.sample(items, len(items))
    by_item = dict(zip(shuffled, prompt_families(shuffled), strict=True))
    assert prompt_families(items) == [by_item[item] for item in items]


def test_shares_are_met_and_a_family_keeps_its_side_when_others_come():
    many = [Asked(f"p{n}", f"text number {n}") for n in range(2000)]
    few = many[:500]
    sides = split_families(prompt_families(many), SplitShares(val=0.1, test=0.2))
    counts = [list(sides.values()).count(split) for split in SPLITS]
    assert counts == pytest.approx([1400, 200, 400], abs=60)
    before = split_families(prompt_families(few), SplitShares(val=0.1, test=0.2))
    assert all(sides[family] == side for family, side in before.items())


def test_with_three_families_each_side_that_was_asked_for_gets_one():
    for texts in (["a", "b", "c"], ["x", "y", "z"], ["1", "2", "3"]):
        sides = split_families(prompt_families([Asked(t, t) for t in texts]), SplitShares(val=0.05, test=0.05))
        assert sorted(sides.values()) == ["test", "train", "val"]


def test_refuses_shares_that_leave_nothing():
    for val, test in ((0.5, 0.5), (-0.1, 0.1)):
        with pytest.raises(UsageError, match="sum to less than 1"):
            SplitShares(val=val, test=test)
