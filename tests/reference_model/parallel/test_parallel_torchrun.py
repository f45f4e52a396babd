"""A real `torchrun`: it makes the run of one process, and a killed rank ends it with an error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from released_layout import build_released_folder

REPOSITORY = Path(__file__).parents[3]
SMALL = [
    "--set",
    "frames=17",
    "--set",
    "height=32",
    "--set",
    "width=16",
    "--set",
    "guidance=3",
    "--set",
    "dtype=float32",
]


def torchrun(*arguments: object) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "stepbench",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def process_of_rank(parent: int, rank: int) -> int:
    """The process that torchrun started as this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        is_child = f"\nPPid:\t{parent}\n" in _read(folder / "status")
        if is_child and f"\0RANK={rank}\0" in f"\0{_read(folder / 'environ')}":
            return int(folder.name)
    raise AssertionError(f"torchrun has no rank {rank}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        # The process has ended meanwhile.
        return ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_rank_ends_torchrun_and_the_run_goes_on_under_it(make_suite, python_m_stepbench, tmp_path):
    model = f"step-video:{build_released_folder(tmp_path / 'small')}"
    suite = make_suite(*[f"a red circle moves {way}" for way in ("left", "right", "up", "down")])
    asked = ["run", "-M", model, "-t", suite, *SMALL, "--set", "steps=200", "--no-score", "--run-id", "cut"]
    rows = Path("runs/cut/samples.jsonl")
    job = torchrun(*asked, "--guidance-parallel")
    while not rows.exists() or not rows.read_text():
        assert job.poll() is None, job.communicate()
        time.sleep(0.05)
    os.kill(process_of_rank(job.pid, 1), signal.SIGKILL)
    _, errors = job.communicate(timeout=300)
    assert job.returncode == 1
    assert "Signal 9 (SIGKILL)" in errors
    assert "the same command continues" in errors
    before = rows.read_text().splitlines()
    assert 1 <= len(before) < 4
    again = torchrun(*asked, "--guidance-parallel")
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert rows.read_text().splitlines()[: len(before)] == before
    ended = python_m_stepbench(*asked[:-1], "one")
    assert ended.code == 0, ended.err
    keys = [
        [json.loads(line)["sample_key"] for line in Path(f"runs/{run}/samples.jsonl").read_text().splitlines()]
        for run in ("cut", "one")
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 4
