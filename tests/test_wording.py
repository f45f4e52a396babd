"""How numbers, intervals, ranks and metrics are worded."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from stepbench import wording


def card(title: str, direction: str = "higher") -> dict[str, Any]:
    return {"title": title, "direction": direction}


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0106, 0.0141, "[0.0106, 0.0141]"),
        (1320.8, 1640.1, "[1321, 1640]"),
        (2.0, 2.0, "[2, 2]"),
        (-0.5, 0.5, "[-0.50, 0.50]"),
        (nan, nan, "–"),
        (0.1 + 0.2, 0.3, "[0.3, 0.3]"),
        (0.0, 1e-12, "[0.00000000, 0.00000000]"),
    ],
)
def test_intervals_show_as_many_decimals_as_their_width_supports(low: float, high: float, text: str):
    assert wording.interval(low, high) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(47833.2, "47833"), (-9999.6, "-10000"), (9998.4, "9998"), (4.2e9, "4.2e+09"), (0.000012345, "1.234e-05")],
)
def test_large_numbers_without_a_spread_have_no_power_of_ten(value: float, text: str):
    assert wording.number(value) == text


def test_ranks_are_intervals():
    assert [wording.rank(1, 1), wording.rank(2, 3), wording.rank(nan, nan)] == ["1", "2–3", ""]


def test_metrics_with_the_same_title_are_told_apart_by_id():
    cards = {"shine@1:native": card("Shine"), "shine@2:native": card("Shine"), "w": card("W", "lower")}
    assert list(wording.metric_titles(cards, list(cards)).values()) == [
        "Shine ↑ (shine@1:native)",
        "Shine ↑ (shine@2:native)",
        "W ↓",
    ]
