"""`benchmarks/startup.py` runs and says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "startup.py"


def call(*arguments):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_measures_every_command(workplace):
    result = call("--rounds", "1", "--json")
    found = json.loads(result.stdout)
    assert found["rounds"] == 1
    assert {"python -c pass", "stepbench --help", "stepbench list suites"} <= set(found["commands"])
    for taken in found["commands"].values():
        assert 0 < taken["low"] == taken["median"] == taken["high"]


def test_impossible_numbers_are_refused(workplace):
    result = call("--rounds", "0")
    assert result.returncode == 2
    assert "--rounds must be at least 1, got 0" in result.stderr
