"""A run with a set metric that is killed again and again ends with the same bytes as one that is not."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest
from run_files import final_bytes
from set_runs import PLUGIN, REFERENCE, SCORED

PATH = {"TOY_PATH": str(PLUGIN)}


@pytest.fixture
def reference(start, make_suite, workplace) -> Path:
    make_suite("one", "two", "three")
    assert start(*REFERENCE).wait().code == 0
    return workplace / "runs/ref"


def made(run: Path) -> int:
    """Files of features, and score rows."""
    features = len([path for path in run.glob("features/*/*") if not path.name.startswith(".")])
    return features + sum(path.read_bytes().count(b"\n") for path in run.glob("scores/*.jsonl"))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_while_features_are_made(start, workplace, reference, workers):
    runs, rng = workplace / "runs", random.Random(workers)
    ended = start(*SCORED, "whole", **PATH).wait()
    assert ended.code == 0, ended.err
    (reference / "features").rename(workplace / "away")
    for _ in range(3):
        wanted = made(runs / "killed") + rng.randint(1, 4)
        started = start(*SCORED, "killed", "--workers", workers, TOY_SAVE_EACH="1", **PATH)
        assert started.wait_until(lambda wanted=wanted: made(runs / "killed") >= wanted), started.wait().err
        assert started.signal(signal.SIGKILL).code == -signal.SIGKILL
    assert start(*SCORED, "killed", "--workers", workers, **PATH).wait().code == 0
    assert final_bytes(runs / "killed") == final_bytes(runs / "whole")
    assert [path.name for path in (runs / "killed").glob("features/*/*")] == ["features.safetensors"]


@pytest.fixture
def die_and_resume(start, workplace, reference):
    """Kill the last shard of a run before its n-th change on disk, resume it, compare; returns how the kill ended."""
    runs = workplace / "runs"
    assert start(*SCORED, "begun", "--shard", "1/2", **PATH).wait().code == 0
    (reference / "features").rename(workplace / "features-of-a-shard")
    shutil.copytree(runs / "begun", runs / "whole")
    assert start(*SCORED, "whole", "--shard", "2/2", **PATH).wait().code == 0

    def die(step: int) -> int:
        killed = f"killed-{step}"
        shutil.rmtree(reference / "features", ignore_errors=True)
        shutil.copytree(runs / "begun", runs / killed)
        last = (*SCORED, killed, "--shard", "2/2")
        code = start(*last, TOY_DIE_AT=str(step), TOY_SAVE_EACH="1", **PATH).wait().code
        assert start(*last, **PATH).wait().code == 0
        assert final_bytes(runs / killed) == final_bytes(runs / "whole")
        return code

    return die


def test_dead_between_two_changes_on_disk(die_and_resume):
    from toy_process import DIED

    assert [die_and_resume(step) for step in (20, 37, 45, 52, 58)] == [DIED] * 5


@pytest.mark.slow
def test_dead_between_any_two_changes_on_disk(die_and_resume):
    from toy_process import DIED

    step = 1
    while die_and_resume(step) == DIED:
        step += 1
    assert step > 50
