"""Plots: values sit where the axis says, ticks are round, runs differ in shape and colour."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from board_runs import card
from hypothesis import given
from hypothesis import strategies as st

from stepbench.reporting import Report
from stepbench.reporting.plots import cost_plot, interval_plot
from stepbench.reporting.svg import Axis, axis_over, marker, shortened, tag, tick_text

finite = st.floats(-1e6, 1e6, allow_nan=False)


def test_an_axis_maps_its_ends_and_its_middle() -> None:
    line = Axis(0.0, 10.0, 100.0, 200.0)
    assert [line(value) for value in (0, 5, 10)] == [100, 150, 200]
    ratio = Axis(1.0, 100.0, 0.0, 200.0, log=True)
    assert [ratio(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])
    assert ratio.ticks() == [1, 2, 5, 10, 20, 50, 100]
    wide = Axis(0.004, 130.0, 0.0, 200.0, log=True)
    assert [wide.text(tick) for tick in wide.ticks()] == ["0.01", "0.1", "1", "10", "100"]


@given(st.lists(finite, min_size=1, max_size=6))
def test_an_axis_holds_all_values_and_has_round_ticks_inside(values: list[float]) -> None:
    axis = axis_over(values, 0.0, 300.0)
    assert all(-1e-6 <= axis(value) <= 300 + 1e-6 for value in values)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 8
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 * abs(axis.high) + 1e-9 for tick in ticks)


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.0, 0.25, 0.5], ["0", "0.25", "0.50"]),
        ([0.95, 0.975, 1.0], ["0.950", "0.975", "1.000"]),
        ([0.0, 200.0, 400.0], ["0", "200", "400"]),
        ([1e-5, 2e-5], ["1e-05", "2e-05"]),
        ([1.0], ["1"]),
    ],
)
def test_ticks_show_the_digits_they_need(ticks: list[float], texts: list[str]) -> None:
    assert [tick_text(tick, ticks) for tick in ticks] == texts


def test_tags_escape_texts_and_keep_markup() -> None:
    inner = tag("title", "<b> & 'x'")
    assert tag("g", inner, "<i>", class_='"a"', stroke_width=1.5) == (
        '<g class="&#34;a&#34;" stroke-width="1.5"><title>&lt;b&gt; &amp; &#39;x&#39;</title>&lt;i&gt;</g>'
    )
    assert shortened("abcdef", 4) == "abc…"


def test_sixteen_runs_have_sixteen_markers() -> None:
    drawn = {re.sub(r"\d+\.\d\d,\d+\.\d\d", "", str(marker(number, 0.0, 0.0))) for number in range(16)}
    points = {str(marker(number, 0.0, 0.0)) for number in range(16)}
    assert len(points) == 16
    assert len(drawn) >= 8


def test_marks_stand_at_their_values_with_their_intervals(report: Report) -> None:
    numbers = {run.run: run.number for run in report.runs}
    rows = [row for row in report.rows if row.metric == "shine"]
    picture = ElementTree.fromstring(interval_plot(report.cards["shine@1:native"], rows, numbers, "all"))
    values = [value for row in rows if row.cut == "all" for value in (row.mean, row.low, row.high) if value is not None]
    axis = axis_over(values, 12.0, 348.0)
    circle = next(mark for mark in picture.iter("circle"))
    base = rows[0]
    assert base.mean is not None
    assert float(circle.attrib["cx"]) == pytest.approx(axis(base.mean), abs=0.01)
    title = circle.find("title")
    assert title is not None
    assert (title.text or "").startswith("toy:base: ")
    whisker = next(line for line in picture.iter("line") if line.attrib["class"] == "whisker run-0")
    ends = [float(whisker.attrib[name]) for name in ("x1", "x2")]
    assert base.low is not None
    assert base.high is not None
    assert ends == pytest.approx([axis(base.low), axis(base.high)], abs=0.01)


def test_runs_without_interval_or_cost_are_drawn_as_far_as_they_go(report: Report) -> None:
    numbers = {run.run: run.number for run in report.runs}
    lone = replace(report.overall()[0], low=None, high=None)
    assert "whisker" not in interval_plot(card("shine"), [lone], numbers, "all")
    costs = [replace(cost, seconds=None, low=None, high=None) for cost in report.costs]
    assert cost_plot(card("shine"), [lone], costs, numbers) is None
    costs = [replace(cost, seconds=0.01 * 100**place, low=None, high=None) for place, cost in enumerate(report.costs)]
    wide = cost_plot(card("shine"), report.overall()[:3], costs, numbers)
    assert wide is not None
    assert "log scale" in wide
