"""What is recorded of the environment, and what is not."""

from __future__ import annotations

import json
import subprocess

import pytest

from stepbench import __version__, provenance
from stepbench.provenance import ENVIRONMENT_VARIABLES, capture_environment, now


def test_everything_that_matters_is_there():
    found = capture_environment()
    assert set(found) == {
        *("stepbench", "git", "python", "packages", "platform", "cpu", "memory_bytes", "gpus", "codec", "torch"),
        "variables",
    }
    assert found["stepbench"] == __version__
    assert {"numpy", "av", "pandas"} <= set(found["packages"])
    assert set(found["codec"]) >= {"pyav", "libavcodec"}
    assert found["cpu"]["count"] >= 1
    assert found["memory_bytes"] > 0
    assert json.loads(json.dumps(found)) == found


def test_no_variable_but_the_named_ones_is_recorded(monkeypatch):
    secrets = {"AWS_SECRET_ACCESS_KEY": "s3cr3t-1", "HF_TOKEN": "s3cr3t-2", "STEPBENCH_TOKEN": "s3cr3t-3"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = capture_environment()
    assert "s3cr3t" not in json.dumps(found)
    assert found["variables"]["OMP_NUM_THREADS"] == "3"
    assert set(found["variables"]) <= set(ENVIRONMENT_VARIABLES)
    for name in ENVIRONMENT_VARIABLES:
        assert not any(word in name for word in ("KEY", "TOKEN", "SECRET", "PASS"))


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("nvidia-smi", 20), PermissionError("not executable")])
def test_a_tool_that_hangs_or_does_not_start_is_no_reason_to_stop(monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(provenance.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(provenance.subprocess, "run", fail)
    found = capture_environment()
    assert (found["gpus"], found["git"]) == ([], None)


def test_gpus_are_read_from_the_driver(monkeypatch):
    answer = subprocess.CompletedProcess([], 0, "H200, 550.1, 143771 MiB\nH200, 550.1, 143771 MiB\n", "")
    monkeypatch.setattr(provenance.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(provenance.subprocess, "run", lambda *arguments, **options: answer)
    assert capture_environment()["gpus"] == [
        {"name": "H200", "driver_version": "550.1", "memory.total": "143771 MiB"},
        {"name": "H200", "driver_version": "550.1", "memory.total": "143771 MiB"},
    ]


def test_the_time_is_in_utc():
    assert now().endswith("+00:00")


def test_a_run_records_each_environment_once(stepbench, make_suite, workplace, monkeypatch):
    make_suite("one")
    arguments = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--no-score", "--run-id", "r"]

    def environments():
        info = json.loads((workplace / "runs/r/run.json").read_text(encoding="utf-8"))
        return [*info["earlier_environments"], info["environment"]]

    stepbench(*arguments)
    stepbench(*arguments)
    assert len(environments()) == 1
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    stepbench(*arguments)
    assert [each["variables"].get("PYTHONHASHSEED") for each in environments()] == [None, "5"]
