"""The example from clips to votes to a better model, at a small size: every step takes what the last one left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stepbench import open_run
from stepbench.errors import ExitCode

SCRIPT = Path(__file__).parents[2] / "examples" / "close_the_loop.sh"


@pytest.mark.slow
def test_the_loop_closes_with_commands(workplace):
    sizes = {"PROMPTS": "40", "TESTS": "12", "STEPS": "12", "WORKERS": "1"}
    environment = os.environ | sizes | {"PYTHON": sys.executable}
    for _ in range(2):  # the second time it finds its work done
        ended = subprocess.run([SCRIPT, "loop"], env=environment, capture_output=True, text=True, check=False)
        # So few prompts may prove nothing to the gate.
        assert ended.returncode in (ExitCode.OK, ExitCode.INCONCLUSIVE), ended.stderr[-3000:]
    manifest = json.loads(Path("loop/preferences/manifest.json").read_text("utf-8"))
    assert manifest["simulated"] is True
    assert manifest["votes"]["simulated"] == manifest["votes"]["used"] > 0
    assert {clip["kind"] for clip in manifest["clips"].values()} == {"master"}
    trained = {
        json.loads(line)["prompt_id"] for line in Path("loop/preferences/train.jsonl").read_text("utf-8").splitlines()
    }
    assert all(name.startswith("ms-train-") for name in trained)
    tuned = open_run("loop/runs/tuned-test")
    assert tuned.samples()["prompt_id"].str.startswith("ms-test-").all()
    assert len(tuned.scores()) == 24
    assert "SIMULATED" in ended.stderr
