"""Quality against seconds as an SVG picture: points with intervals, the Pareto set joined, drawn without a library."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from stepbench.runs.folder import write_atomically
from stepbench.sweep.analysis import MetricSweep

WIDTH, PLOT_HEIGHT, LEFT, RIGHT, TOP, BOTTOM, LINE = 760, 400, 80, 24, 56, 56, 18
_COLOURS = {"best": "#0b6e4f", "not separable": "#2b6cb0", "worse": "#8a8f98"}


def plot_sweep(sweep: MetricSweep, path: Path, *, title: str) -> None:
    """Write the picture of one metric. Numbers at the points stand for the settings listed below.

    Raises:
        IncompleteError: The file cannot be written.
    """
    across = _Scale([_ends(row["seconds"]) for row in sweep.rows], LEFT, WIDTH - RIGHT)
    upward = _Scale([_ends(row["quality"]) for row in sweep.rows], PLOT_HEIGHT - BOTTOM, TOP)
    better = {"higher": "higher is better", "lower": "lower is better"}[sweep.direction]
    unit = f" ({sweep.unit})" if sweep.unit else ""
    parts = [
        _text(LEFT, 22, f"{title}: {sweep.metric}", size=16),
        _text(LEFT, 42, f"means and 95 % intervals over {sweep.n} prompts; {better}; the line joins the Pareto set"),
        *_axes(across, upward),
        _text((LEFT + WIDTH - RIGHT) / 2, PLOT_HEIGHT - 12, "seconds per clip", anchor="middle"),
        f'<g transform="rotate(-90 18 {PLOT_HEIGHT / 2:.0f})">'
        + _text(18, PLOT_HEIGHT / 2, f"{sweep.metric}{unit}", anchor="middle")
        + "</g>",
        _front(sweep, across, upward),
    ]
    for number, row in enumerate(sweep.rows, start=1):
        parts += _point(number, row, across, upward)
        parts.append(_text(LEFT, PLOT_HEIGHT + LINE * number, _legend(number, row), fill=_COLOURS[row["verdict"]]))
    height = PLOT_HEIGHT + LINE * (len(sweep.rows) + 1)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    style = ' font-family="system-ui, sans-serif" font-size="12">'
    back = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    write_atomically(path, "\n".join([head + style, back, *parts, "</svg>"]) + "\n")


class _Scale:
    """From values to places on the picture, with a margin and round ticks."""

    def __init__(self, ends: list[tuple[float, float]], start: float, end: float) -> None:
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        margin = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
        self.low, self.high = low - margin, high + margin
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        raw = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
        first = math.ceil(self.low / step)
        return [place * step for place in range(first, math.floor(self.high / step) + 1)]


def _ends(value: dict[str, Any]) -> tuple[float, float]:
    low, high = value["low"], value["high"]
    return (value["mean"] if low is None else low, value["mean"] if high is None else high)


def _axes(across: _Scale, upward: _Scale) -> list[str]:
    bottom, right = PLOT_HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick in across.ticks():
        parts.append(_line(across(tick), TOP, across(tick), bottom, "#e5e7eb"))
        parts.append(_text(across(tick), bottom + 16, f"{tick:.4g}", anchor="middle", fill="#555"))
    for tick in upward.ticks():
        parts.append(_line(LEFT, upward(tick), right, upward(tick), "#e5e7eb"))
        parts.append(_text(LEFT - 8, upward(tick) + 4, f"{tick:.4g}", anchor="end", fill="#555"))
    return [*parts, _line(LEFT, bottom, right, bottom, "#555"), _line(LEFT, TOP, LEFT, bottom, "#555")]


def _front(sweep: MetricSweep, across: _Scale, upward: _Scale) -> str:
    members = sorted((row for row in sweep.rows if row["pareto"]), key=lambda row: row["seconds"]["mean"])
    places = " ".join(f"{across(row['seconds']['mean']):.1f},{upward(row['quality']['mean']):.1f}" for row in members)
    return f'<polyline points="{places}" fill="none" stroke="#0b6e4f" stroke-dasharray="4 3"/>'


def _point(number: int, row: dict[str, Any], across: _Scale, upward: _Scale) -> list[str]:
    x, y, colour = across(row["seconds"]["mean"]), upward(row["quality"]["mean"]), _COLOURS[row["verdict"]]
    (left, right), (low, high) = _ends(row["seconds"]), _ends(row["quality"])
    fill = colour if row["pareto"] else "#fff"
    return [
        _line(across(left), y, across(right), y, colour),
        _line(x, upward(low), x, upward(high), colour),
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{colour}" stroke-width="1.5">'
        f"<title>{escape(row['point'])}</title></circle>",
        _text(x + 8, y - 7, str(number), fill=colour),
    ]


def _legend(number: int, row: dict[str, Any]) -> str:
    chance = row["pareto_probability"]
    told = f", Pareto in {chance:.0%} of resamples" if chance is not None else ""
    verdict = {"not separable": "not separable from the best", "worse": "worse than the best"}.get(
        row["verdict"], "best"
    )
    return f"{number}  {row['point']}: {verdict}{told}"


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, fill: str = "#111") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{escape(text)}</text>'
    )
