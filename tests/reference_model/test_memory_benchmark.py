"""The plain implementation that the benchmark measures against is right, and the benchmark says what it measured."""

from __future__ import annotations

import json
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
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        assert row["peak_bytes_ours"] > 0


def test_a_ratio_is_the_median_of_pairs_side_by_side(benchmark, monkeypatch):
    """A machine that becomes ten times slower on the way changes no ratio of a pair, and no median of them."""
    clock, order = [0.0], []

    def taking(name, seconds):
        def call():
            order.append(name)
            clock[0] += seconds * (10 if len(order) > 8 else 1)
            return torch.ones(2)

        return call

    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock[0])
    row = benchmark.measure(benchmark.Case("slowing", taking("ours", 2.0), taking("plain", 3.0)), rounds=5)
    assert order[2:12] == ["ours", "plain", "plain", "ours"] * 2 + ["ours", "plain"]
    assert row["ratio"] == row["ratio_low"] == row["ratio_high"] == 1.5


def test_the_quick_version_prints_a_line_per_case(benchmark, capsys):
    threads = torch.get_num_threads()
    try:
        benchmark.main(["--quick", "--rounds", "1", "--json"])
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [row["case"].partition(",")[0] for row in rows] == ["DiT step", "VAE decode", "VAE encode"]
        assert all(row["ratio"] > 0 and row["threads"] == 1 and row["peak_bytes_plain"] > 0 for row in rows)
        benchmark.main(["--quick", "--rounds", "1"])
        assert len(capsys.readouterr().out.splitlines()) == 4
        with pytest.raises(SystemExit, match="2"):
            benchmark.main(["--rounds", "0"])
        assert "--rounds must be at least 1, got 0" in capsys.readouterr().err
    finally:
        torch.set_num_threads(threads)


def test_times_of_different_numbers_are_refused(benchmark):
    with pytest.raises(SystemExit, match=r"the two implementations differ by 0\.5"):
        benchmark.measure(benchmark.Case("odd", lambda: torch.ones(2), lambda: 2 * torch.ones(2)), rounds=1)
