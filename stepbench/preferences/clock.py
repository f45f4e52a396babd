"""Times of a study: seconds since 1970 inside, UTC in ISO 8601 outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stepbench.preferences.errors import StudyError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def iso(seconds: float) -> str:
    """`2026-03-01T12:00:00.250000+00:00` for seconds since 1970."""
    return (_EPOCH + timedelta(microseconds=round(seconds * 1e6))).isoformat()


def seconds_of(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; without an offset it is UTC.

    Raises:
        StudyError: Another text.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise StudyError(f"not a time in ISO 8601: {text!r}", hint="for example 2026-03-01T12:00:00+00:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return ((moment - _EPOCH) // MICROSECOND) / 1e6


def day_start(seconds: float) -> float:
    """The last midnight, UTC."""
    return seconds - seconds % 86400
