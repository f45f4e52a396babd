"""Ranks that Ray starts: the rows and pixels of one process, also when a rank is killed in the middle of a clip."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from released_layout import build_released_folder

from stepbench.video import read_clip

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra [ray] is not installed")
SETTINGS = ["frames=34", "height=32", "width=16", "guidance=3", "dtype=float32"]
SMALL = [word for setting in SETTINGS for word in ("--set", setting)]
PROMPTS = [f"a red circle moves {way}" for way in ("left", "right", "up")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"step-video:{build_released_folder(tmp_path_factory.mktemp('models') / 'small')}"


def rows_of(run: str) -> list[dict[str, Any]]:
    file = Path("runs") / run / "samples.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def assert_same_clips(one: str, other: str) -> None:
    alone, together = ({row["sample_key"]: row for row in rows_of(run)} for run in (one, other))
    assert alone.keys() == together.keys()
    assert len(alone) == len(PROMPTS)
    for key, row in alone.items():
        assert together[key]["outcome"] == "ok"
        expected, frames = (
            read_clip(Path("runs") / run / made["clip"]).frames.astype(int)
            for run, made in ((one, row), (other, together[key]))
        )
        assert expected.std() > 1
        assert np.abs(frames - expected).max() <= 1
        assert (frames == expected).mean() > 0.999


def process_called(title: str, mark: str) -> int | None:
    """A process of a job that was started with this mark in its environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            called = (folder / "cmdline").read_bytes().startswith(title.encode())
            if called and f"STEPBENCH_MARK={mark}".encode() in (folder / "environ").read_bytes():
                return int(folder.name)
        except OSError:
            # It has ended meanwhile.
            continue
    return None


@pytest.mark.slow
@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ray_starts_the_ranks_and_a_killed_one_costs_nothing_but_time(
    python_m_stepbench, make_suite, workplace, model, monkeypatch
):
    suite = make_suite(*PROMPTS)
    asked = ["run", "-M", model, "-t", str(suite), *SMALL, "--set", "steps=60", "--no-score", "--run-id"]
    monkeypatch.setenv("STEPBENCH_MARK", str(workplace))
    command = [sys.executable, "-m", "stepbench", *asked, "ray", "--executor", "ray", "--tensor-parallel", "2"]
    with (workplace / "log").open("w", encoding="utf-8") as log:
        job = subprocess.Popen(command, stdout=log, stderr=log)
    while not rows_of("ray"):
        assert job.poll() is None, (workplace / "log").read_text(encoding="utf-8")
        time.sleep(0.02)
    victim = process_called("ray::RayWorker.serve", str(workplace))
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    assert job.wait(500) == 0, (workplace / "log").read_text(encoding="utf-8")
    assert [row["attempt"] for row in rows_of("ray")] == [1, 1, 1]
    ended = python_m_stepbench(*asked, "one")
    assert ended.code == 0, ended.err
    assert_same_clips("one", "ray")


@pytest.mark.parametrize(
    ("generator", "options", "message"),
    [
        ("MODEL", ["--ulysses", 3], "ulysses x tensor must divide the 2 attention heads, got 3 x 1"),
        ("MODEL", ["--ulysses", 2, "--gpus-per-model", 4], "take 2 processes of one GPU each, got --gpus-per-model 4"),
        ("MODEL", ["--guidance-parallel", "--set", "guidance=1"], "--guidance-parallel needs a guidance above 1"),
        ("world:exact", ["--ulysses", 2], "world:exact cannot be spread over processes"),
    ],
)
@pytest.mark.parametrize("how", [["--executor", "ray"], ["--dry-run"]])
def test_what_does_not_fit_is_refused_before_ray_is_started(
    stepbench, make_suite, monkeypatch, model, generator, options, message, how
):
    monkeypatch.setitem(sys.modules, "ray", None)
    suite = make_suite(*PROMPTS)
    ended = stepbench("run", "-M", model if generator == "MODEL" else generator, "-t", suite, *options, *how)
    assert ended.code == 2
    assert message in ended.err
    assert "hint: " in ended.err
    assert not Path("runs").exists()


def test_a_dry_run_says_how_a_clip_is_shared(stepbench, make_suite, model):
    asked = ["run", "-M", model, "-t", make_suite(*PROMPTS), "--dry-run", "--tensor-parallel", 2, "--guidance-parallel"]
    assert "each clip on 4 GPUs: guidance 2 x ulysses 1 x tensor 2" in stepbench(*asked).out
    (record,) = stepbench(*asked, "--json").records()
    assert (record["parallel"], record["processes"]) == ("guidance 2 x ulysses 1 x tensor 2", 4)


def test_a_dry_run_under_torchrun_fits_its_processes_and_speaks_once(stepbench, make_suite, model, monkeypatch):
    asked = ["run", "-M", model, "-t", make_suite(*PROMPTS), "--dry-run", "--tensor-parallel", 2]
    monkeypatch.setattr("stepbench.cli.parallel.started_processes", lambda: 2)
    monkeypatch.setenv("RANK", "1")
    assert stepbench(*asked).out == ""
    monkeypatch.setenv("RANK", "0")
    assert "each clip on 2 GPUs" in stepbench(*asked).out
    refused = stepbench(*asked, "--guidance-parallel")
    assert refused.code == 2
    assert "takes 4 processes, but 2 were started" in refused.err
