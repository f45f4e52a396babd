"""`benchmarks/harness_overhead.py` runs and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "harness_overhead.py"


def call(*arguments):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_measures_a_run_and_its_resumption(workplace):
    result = call("--samples", "3", "--folder", str(workplace), "--json")
    found = json.loads(result.stdout)
    assert (found["samples"], found["keep"]) == (3, "both")
    assert found["generate_seconds"] > 0
    assert found["resume_seconds"] > 0
    assert abs(found["milliseconds_per_sample"] * 3 - 1e3 * found["generate_seconds"]) < 1e-6
    assert list(workplace.iterdir()) == []


def test_impossible_numbers_are_refused(workplace):
    result = call("--samples", "0")
    assert result.returncode == 2
    assert "--samples must be at least 1, got 0" in result.stderr
