"""Plots of a report as SVG: means with intervals by group, and quality against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from stepbench.reporting.cells import interval_text, shown
from stepbench.reporting.model import Cost, MetricRow
from stepbench.reporting.svg import Axis, axis_over, drawing, line, marker, shortened, tick_text, words

WIDTH = 360.0
LEFT, RIGHT = 12.0, 348.0
LINE, HEAD, FOOT = 15.0, 19.0, 20.0
LONGEST = 46


def interval_plot(card: Mapping[str, Any], rows: Sequence[MetricRow], numbers: Mapping[str, int], cut: str) -> Markup:
    """Means with 95 % intervals of one metric: a block per group, in it a line per run that was scored.

    Args:
        card: The metric's card.
        rows: Its rows over all prompts and of the groups of `cut`.
        numbers: Run -> its number, which decides marker and colour.
        cut: `all`, `category` or `language`.
    """
    kept = [row for row in rows if row.cut in ("all", cut) and row.mean is not None]
    groups = list(dict.fromkeys((row.cut, row.group) for row in kept))
    values = [value for row in kept for value in (row.mean, row.low, row.high) if value is not None]
    axis = axis_over(values, LEFT, RIGHT)
    parts: list[Markup] = []
    y = 4.0
    for key in groups:
        own = [row for row in kept if (row.cut, row.group) == key]
        units = sorted({row.n_units for row in own})
        counted = f"{units[0]}" if len(units) == 1 else f"{units[0]} to {units[-1]}"
        name = "All prompts" if key[0] == "all" else key[1]
        parts.append(words("group", LEFT, y + 13, f"{shortened(name, LONGEST)} ({counted})"))
        y += HEAD
        for row in own:
            parts += _estimate(row, numbers[row.run], axis, y + LINE / 2)
            y += LINE
        y += 4
    grid = _bottom_axis(axis, 2.0, y)
    by = f" by {cut}" if cut != "all" else ""
    label = f"{card['title']}{by}: mean and 95 % interval of {len({row.run for row in kept})} runs; {better(card)}"
    return drawing(WIDTH, y + FOOT, label, *grid, *parts)


def _estimate(row: MetricRow, number: int, axis: Axis, y: float) -> list[Markup]:
    assert row.mean is not None
    text = f"{row.label}: {shown(row.mean)} {interval_text(row.low, row.high)}, {row.n_units} prompts"
    parts = []
    if row.low is not None and row.high is not None:
        parts.append(line(f"whisker run-{number % 8}", axis(row.low), y, axis(row.high), y))
    return [*parts, marker(number, axis(row.mean), y, text)]


def cost_plot(
    card: Mapping[str, Any], rows: Sequence[MetricRow], costs: Sequence[Cost], numbers: Mapping[str, int]
) -> Markup | None:
    """One metric against seconds per clip, both with 95 % intervals; None where fewer than one run has both."""
    seconds = {cost.run: cost for cost in costs if cost.seconds}
    kept = [row for row in rows if row.cut == "all" and row.mean is not None and row.run in seconds]
    if not kept:
        return None
    times = [cost.seconds for row in kept if (cost := seconds[row.run]).seconds]
    log = max(times) / min(times) > 20
    ends = [
        end
        for row in kept
        for end in (seconds[row.run].low, seconds[row.run].high)
        if end is not None and (end > 0 or not log)
    ]
    x = axis_over([*times, *ends], LEFT + 44, RIGHT, log=log)
    height = 190.0
    y = axis_over([v for row in kept for v in (row.mean, row.low, row.high) if v is not None], height, 8.0)
    parts: list[Markup] = []
    ticks = y.ticks(5)
    for tick in ticks:
        parts.append(line("grid", LEFT + 44, y(tick), RIGHT, y(tick)))
        parts.append(words("tick", LEFT + 40, y(tick) + 3.5, tick_text(tick, ticks), "end"))
    parts += _bottom_axis(x, 8.0, height)
    parts.append(
        words("tick", (x.start + x.end) / 2, height + 30, f"seconds per clip{' (log scale)' if log else ''}", "middle")
    )
    for row in kept:
        cost, number = seconds[row.run], numbers[row.run]
        assert row.mean is not None
        assert cost.seconds is not None
        at = (x(cost.seconds), y(row.mean))
        if row.low is not None and row.high is not None:
            parts.append(line(f"whisker run-{number % 8}", at[0], y(row.low), at[0], y(row.high)))
        if cost.low is not None and cost.high is not None and cost.low > 0:
            parts.append(line(f"whisker run-{number % 8}", x(cost.low), at[1], x(cost.high), at[1]))
        text = f"{row.label}: {shown(row.mean)} {interval_text(row.low, row.high)} at {shown(cost.seconds, digits=3)} s"
        parts.append(marker(number, *at, text))
    label = f"{card['title']} against seconds per clip of {len(kept)} runs; {better(card)}"
    return drawing(WIDTH, height + FOOT + 16, label, *parts)


def _bottom_axis(axis: Axis, top: float, bottom: float) -> list[Markup]:
    ticks = axis.ticks()
    parts = [line("grid", axis(tick), top, axis(tick), bottom) for tick in ticks]
    parts += [words("tick", axis(tick), bottom + 14, axis.text(tick), _anchor(axis(tick))) for tick in ticks]
    return [*parts, line("axis", axis.start, bottom, axis.end, bottom)]


def _anchor(x: float) -> str:
    # A label at the rim would be cut off.
    return "start" if x < LEFT + 12 else "end" if x > RIGHT - 12 else "middle"


def better(card: Mapping[str, Any]) -> str:
    """Which way is better, in words."""
    return {"higher": "higher is better", "lower": "lower is better"}.get(card["direction"], "neither way is better")


def legend_marker(number: int) -> Markup:
    """The marker of a run for a legend."""
    return drawing(14.0, 14.0, f"marker of run {number + 1}", marker(number, 7.0, 7.0))
