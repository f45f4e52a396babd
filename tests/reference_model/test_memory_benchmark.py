"""The plain implementation that the benchmark measures against is right, and the benchmark says what it measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import step_video

    yield step_video
    for name in ("step_video", "plain_step_video"):
        sys.modules.pop(name, None)


@torch.no_grad()
def test_both_implementations_agree_and_are_measured(benchmark, small_vae):
    cases = [
        benchmark.transformer_case("tiny", benchmark.tiny().transformer, (3, 2, 4)),
        *benchmark.vae_cases("small", small_vae().cfg, 2, 16),
    ]
    for case in cases:
        row = benchmark.measure(case, rounds=2)
        assert row["distance"] < 1e-5
        assert row["seconds_ours"] > 0
        assert row["ratio_low"] <= row["ratio_high"]
        assert row["peak_bytes_ours"] > 0


def test_times_of_different_numbers_are_refused(benchmark):
    with pytest.raises(SystemExit, match=r"the two implementations differ by 0\.5"):
        benchmark.measure(benchmark.Case("odd", lambda: torch.ones(2), lambda: 2 * torch.ones(2)), rounds=1)
