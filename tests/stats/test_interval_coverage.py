"""Simulated coverage of every interval, and that docs/statistics.md shows what was measured."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from coverage_cases import CASES, Case, mean_rating  # noqa: E402
from interval_coverage import HIGH, LOW, coverage, false_alarms, page_with  # noqa: E402

PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
QUICK = 120
ROW = re.compile(r"\| `([^`]+)` \| ([^|]+) \| ([\d.]+) % ± [\d.]+ \| ([^|]+) \|")


def names(case) -> str:
    return f"{case.procedure}: {case.world}"


@pytest.mark.parametrize("case", [case for case in CASES if case.procedure != "set_metric_difference"], ids=names)
def test_a_few_simulations_do_not_contradict_the_promise(case):
    share, _ = coverage(case, QUICK)
    # Three standard errors of so few simulations beyond the band.
    assert LOW - 3 * math.sqrt(LOW * (1 - LOW) / QUICK) <= share
    assert case.note or share <= HIGH + 3 * math.sqrt(HIGH * (1 - HIGH) / QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if not case.note], ids=names)
def test_intervals_cover_93_to_97_percent(case):
    share, _ = coverage(case, 2000)
    assert LOW <= share <= HIGH


def test_the_page_shows_every_case_within_the_band_or_with_its_reason():
    shown = {(function, world): (float(share), said) for function, world, share, said in ROW.findall(PAGE)}
    assert set(shown) == {(case.procedure, case.world) for case in CASES}
    for case in CASES:
        share, said = shown[case.procedure, case.world]
        inside = 100 * LOW <= share <= 100 * HIGH
        assert said == ("yes" if inside else f"**no**: {case.note}")
        assert inside or case.note
    assert "2,000 simulations of each row" in PAGE


def test_an_interval_that_is_too_short_is_seen():
    def half_as_wide(rng):
        for low, truth, high in mean_rating(rng, annotators=20, each=3, prompt_sd=0.5, annotator_sd=0.3):
            yield low + (high - low) / 4, truth, high - (high - low) / 4

    assert coverage(Case("two_way_mean", "half as wide", half_as_wide), 200)[0] < 0.8


def test_looking_at_an_e_process_keeps_five_percent():
    for _, by_e, by_z in false_alarms(150, 300):
        assert by_e <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
        assert by_z > 0.15


def test_measured_rows_take_the_place_of_old_ones():
    case = CASES[0]
    row = f"| `{case.procedure}` | {case.world} | 12.3 % ± 0.1 | **no**: made up |"
    page = page_with([row, "| equal models, no ties | 1.0 % | 2 % |"], PAGE, 7)
    assert row in page
    assert page.count(f"| `{case.procedure}` | {case.world} |") == 1
    assert "7 simulations of each row" in page
    assert page.split("<!--")[0] == PAGE.split("<!--")[0]
    assert page.split("-->")[-1] == PAGE.split("-->")[-1]
    assert len(ROW.findall(page)) == len(ROW.findall(PAGE))


def test_the_script_refuses_what_it_cannot_measure():
    script = [sys.executable, str(ROOT / "benchmarks" / "interval_coverage.py")]
    ended = subprocess.run([*script, "--only", "p_hacking"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "nothing to simulate: 2000 simulations of 0 cases" in ended.stderr
