"""Numbers as cells of a report's tables: as many digits as their interval supports, a dash where there is none."""

from __future__ import annotations

from math import nan

from stepbench.wording import DASH, interval, number


def shown(value: float | None, spread: float | None = None, *, digits: int | None = None) -> str:
    """A number, or a dash where there is none; `digits` asks for so many significant ones."""
    if value is None:
        return DASH
    return f"{float(f'{value:.{digits}g}'):g}" if digits else number(value, spread)


def signed(value: float | None, spread: float | None) -> str:
    """A difference with its sign."""
    text = shown(value, spread)
    return f"+{text}" if value is not None and value > 0 else text


def interval_text(low: float | None, high: float | None) -> str:
    """`[low, high]`, or a dash."""
    return interval(nan if low is None else low, nan if high is None else high)


def p_text(value: float | None) -> str:
    """A p value in two digits; never 0, which no test can give."""
    if value is None:
        return DASH
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def spread_of(low: float | None, high: float | None) -> float | None:
    """Half the width of an interval, None where there is none."""
    return None if low is None or high is None else (high - low) / 2
