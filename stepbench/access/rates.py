"""How often one person may do something: a burst at once, and a sustained rate over time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A limit: `burst` at once, refilled at `per_minute`."""

    burst: int
    per_minute: float


VOTES = Rate(burst=10, per_minute=30)
"""Sending and taking back votes. Nobody who watches two clips of a second or more is faster."""


class RateLimiter:
    """Counts per key, in memory: keys are pseudonyms, and nothing is kept of who has not been seen for a while."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def allow(self, key: str) -> bool:
        """Whether one more is allowed now; it counts only if it is."""
        now = self._clock()
        with self._lock:
            left, at = self._left.get(key, (float(self._rate.burst), now))
            left = min(float(self._rate.burst), left + (now - at) * self._rate.per_minute / 60)
            allowed = left >= 1
            self._left[key] = (left - allowed, now)
            if len(self._left) > 10_000:
                self._forget_full(now)
        return allowed

    def _forget_full(self, now: float) -> None:
        full = self._rate.burst / self._rate.per_minute * 60
        self._left = {key: value for key, value in self._left.items() if now - value[1] < full}
