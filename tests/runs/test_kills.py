"""A run that is killed again and again ends with the same bytes as one that is not."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from run_files import clip_bytes, final_bytes, final_samples

TEXTS = [f"prompt number {number}" for number in range(6)]


def command(run_id: str, *, workers: int, metrics: str) -> list[str]:
    scoring = ["-m", metrics] if metrics else ["--no-score"]
    return [
        *["run", "-M", "python:toy_generators:noise", "-t", "mini", "--seeds", "0..3", "--set", "sleep=0.01"],
        *["--run-id", run_id, "--workers", str(workers), *scoring],
    ]


def same_as_uninterrupted(killed: Path, whole: Path) -> None:
    assert final_bytes(killed) == final_bytes(whole)
    assert final_samples(killed) == final_samples(whole)
    assert clip_bytes(killed) == clip_bytes(whole)


def progress(run: Path) -> int:
    """Clips and score rows, whatever is under way included."""
    clips = len(list((run / "clips").glob("[!.]*"))) if run.exists() else 0
    return clips + sum(path.read_bytes().count(b"\n") for path in run.glob("scores/*.jsonl"))


def kill_until_done(begin, run: Path, *, kills: int, rng: random.Random) -> int:
    """Kill a command after a little progress, so many times; then let it end. Returns how often it was killed."""
    for done in range(kills):
        wanted = progress(run) + rng.randint(1, 5)
        started = begin()
        if not started.wait_until(lambda wanted=wanted: progress(run) >= wanted):
            assert started.wait().code == 0, started.log.read_text(encoding="utf-8")
            return done
        time.sleep(rng.random() * 0.02)
        assert started.signal(signal.SIGKILL).code == -signal.SIGKILL
    assert begin().wait().code == 0
    return kills


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_while_generating(start, make_suite, workplace, workers):
    make_suite(*TEXTS)
    runs = workplace / "runs"
    assert start(*command("whole", workers=1, metrics="")).wait().code == 0
    arguments = command("killed", workers=workers, metrics="")
    assert kill_until_done(lambda: start(*arguments), runs / "killed", kills=3, rng=random.Random(workers)) == 3
    same_as_uninterrupted(runs / "killed", runs / "whole")


def test_killed_while_scoring(start, make_suite, workplace):
    make_suite(*TEXTS)
    runs = workplace / "runs"
    assert start(*command("whole", workers=1, metrics="flicker,sharpness")).wait().code == 0
    assert start(*command("killed", workers=1, metrics="")).wait().code == 0
    arguments = command("killed", workers=1, metrics="flicker,sharpness")

    def begin():
        return start(*arguments, TOY_SAVE_EACH="1")

    assert kill_until_done(begin, runs / "killed", kills=4, rng=random.Random(0)) == 4
    same_as_uninterrupted(runs / "killed", runs / "whole")


@pytest.fixture
def die_and_resume(start, make_suite, workplace):
    """Kill the last shard of a run before its n-th change on disk, resume it, compare; returns how the kill ended.

    The shard makes a clip, scores it, drops its master, and finishes the run for the other shard too.
    """
    make_suite("one", "two")
    runs = workplace / "runs"
    shard = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "flicker", "--keep", "previews", "--shard"]
    assert start(*shard, "1/2", "--run-id", "begun").wait().code == 0
    shutil.copytree(runs / "begun", runs / "whole")
    assert start(*shard, "2/2", "--run-id", "whole").wait().code == 0

    def die(step: int) -> int:
        killed = f"killed-{step}"
        shutil.copytree(runs / "begun", runs / killed)
        code = start(*shard, "2/2", "--run-id", killed, TOY_DIE_AT=str(step)).wait().code
        assert start(*shard, "2/2", "--run-id", killed).wait().code == 0
        same_as_uninterrupted(runs / killed, runs / "whole")
        return code

    return die


def test_dead_between_two_changes_on_disk(die_and_resume):
    from toy_process import DIED

    assert [die_and_resume(step) for step in (3, 9, 15, 21, 27)] == [DIED] * 5


@pytest.mark.slow
def test_dead_between_any_two_changes_on_disk(die_and_resume):
    from toy_process import DIED

    step = 1
    while die_and_resume(step) == DIED:
        step += 1
    assert step > 25


class RealProcess:
    """`python -m stepbench` as a user starts it, in the shape of a `Started`."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        with log.open("a", encoding="utf-8") as output:
            command_line = [sys.executable, "-m", "stepbench", *arguments]
            self._process = subprocess.Popen(command_line, stdout=output, stderr=output)

    def wait(self) -> SimpleNamespace:
        return SimpleNamespace(code=self._process.wait(600))

    def signal(self, number: int) -> SimpleNamespace:
        self._process.send_signal(number)
        return self.wait()

    def wait_until(self, condition) -> bool:
        while not condition():
            if self._process.poll() is not None:
                return False
            time.sleep(0.005)
        return True


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "kills"), [(1, 10), (2, 10)])
def test_real_processes_killed_many_times(make_suite, workplace, workers, kills):
    make_suite(*TEXTS)
    runs, log = workplace / "runs", workplace / "log"
    rng = random.Random(100 + workers)
    metrics = "flicker,sharpness,warping_error"
    assert RealProcess(command("whole", workers=1, metrics=metrics), log).wait().code == 0
    while_generating = command("killed", workers=workers, metrics="")
    while_scoring = command("killed", workers=workers, metrics=metrics)
    for arguments in (while_generating, while_scoring):
        assert kill_until_done(lambda a=arguments: RealProcess(a, log), runs / "killed", kills=kills // 2, rng=rng) > 0
    same_as_uninterrupted(runs / "killed", runs / "whole")
