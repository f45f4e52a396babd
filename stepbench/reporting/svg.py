"""Small SVG drawings without a plotting library: escaped tags, round axis ticks, markers that differ in shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

SHAPES = ("circle", "square", "diamond", "up", "down")
COLOURS = 8
"""Colours of the style sheet, `run-0` to `run-7`; shapes tell runs apart where colours cannot, or repeat."""


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """An element. Texts are escaped, markup is kept; `class_` becomes `class`, and `stroke_width` `stroke-width`."""
    pairs = ((key.rstrip("_").replace("_", "-"), _plain(value)) for key, value in attributes.items())
    opening = Markup(" ").join([Markup(name), *(Markup('{}="{}"').format(Markup(key), value) for key, value in pairs)])
    return Markup("<{0}>{1}</{2}>").format(opening, Markup("").join(escape(item) for item in content), Markup(name))


def _plain(value: object) -> str:
    # Two decimals are a hundredth of a pixel, and the same on every machine.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Axis:
    """From values to pixels, along one direction.

    Attributes:
        low: Value at `start`.
        high: Value at `end`, above `low`.
        start: Pixel of `low`.
        end: Pixel of `high`.
        log: Whether distances are ratios; needs values above 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high, at = (
            (math.log(x) for x in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def text(self, tick: float) -> str:
        """A tick's label."""
        return f"{tick:g}" if self.log else tick_text(tick, self.ticks())

    def ticks(self, about: int = 4) -> list[float]:
        """Round values within the axis."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = (1,) if last - first > 3 else (1, 2, 5)
            found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
            return [value for value in found if self.low <= value <= self.high]
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


def axis_over(values: list[float], start: float, end: float, *, log: bool = False) -> Axis:
    """An axis that holds all values with a little room at either end."""
    low, high = min(values), max(values)
    if log:
        ratio = max((high / low) ** 0.08, 1.1)
        return Axis(low / ratio, high * ratio, start, end, log=True)
    room = (high - low) * 0.06 or abs(low) * 0.05 or 0.5
    return Axis(low - room, high + room, start, end)


def tick_text(value: float, ticks: list[float]) -> str:
    """A tick's label in no more digits than its neighbours need."""
    steps = [b - a for a, b in pairwise(ticks)]
    if not steps or value == 0:
        return f"{value:.3g}"
    if max(map(abs, ticks)) >= 1e5 or max(map(abs, ticks)) < 1e-3:
        return f"{value:.3g}"
    step = min(steps)
    decimals = next(places for places in range(9) if abs(round(step, places) - step) < 1e-6 * step or places == 8)
    return f"{value:.{decimals}f}"


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= rough * (1 - 1e-9))


def marker(number: int, x: float, y: float, title: str = "", size: float = 4.5) -> Markup:
    """The marker of the run with this number; hovering shows the title."""
    shape = SHAPES[(number + number // COLOURS) % len(SHAPES)]
    inside = [tag("title", title)] if title else []
    css = f"mark run-{number % COLOURS}"
    if shape == "circle":
        return tag("circle", *inside, class_=css, cx=x, cy=y, r=size)
    reach = size * 1.2
    corners = {
        "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "diamond": ((0, -1.1), (1.1, 0), (0, 1.1), (-1.1, 0)),
        "up": ((0, -1), (1, 0.8), (-1, 0.8)),
        "down": ((0, 1), (1, -0.8), (-1, -0.8)),
    }[shape]
    points = " ".join(f"{x + dx * reach:.2f},{y + dy * reach:.2f}" for dx, dy in corners)
    return tag("polygon", *inside, class_=css, points=points)


def line(css: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """A straight line with a class."""
    return tag("line", class_=css, x1=x1, y1=y1, x2=x2, y2=y2)


def words(css: str, x: float, y: float, text: str, anchor: str = "start") -> Markup:
    """A text with a class."""
    return tag("text", text, class_=css, x=x, y=y, text_anchor=anchor)


def drawing(width: float, height: float, label: str, *parts: Markup) -> Markup:
    """A whole picture that screen readers read as its label."""
    box = f"0 0 {_plain(width)} {_plain(height)}"
    return tag("svg", *parts, viewBox=box, role="img", aria_label=label, width=width, height=height)


def shortened(text: str, most: int) -> str:
    """At most so many characters, the last an ellipsis where some are left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
