"""A burst at once, then a sustained rate, each key for itself."""

from __future__ import annotations

from stepbench.access.rates import Rate, RateLimiter


def test_burst_then_sustained_rate_per_key():
    now = [0.0]
    limiter = RateLimiter(Rate(burst=3, per_minute=60), clock=lambda: now[0])
    assert [limiter.allow("a") for _ in range(5)] == [True, True, True, False, False]
    assert limiter.allow("b"), "another person is not held up"
    now[0] = 1.0
    assert [limiter.allow("a"), limiter.allow("a")] == [True, False]
    now[0] = 1000.0
    assert [limiter.allow("a") for _ in range(4)] == [True, True, True, False], "what is saved up ends at the burst"


def test_those_long_gone_are_not_kept():
    now = [0.0]
    limiter = RateLimiter(Rate(burst=1, per_minute=60), clock=lambda: now[0])
    for number in range(10_000):
        limiter.allow(str(number))
    now[0] = 100.0
    limiter.allow("new")
    assert list(limiter._left) == ["new"]
