"""Ctrl-C, a polite kill, a second writer, a torn line, a changed plan."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from run_files import final_bytes, lines

RUN = ["run", "-M", "python:toy_generators:signed", "-t", "mini", "--no-score", "--run-id", "r"]


@pytest.fixture
def run(make_suite, workplace, monkeypatch):
    monkeypatch.setenv("TOY_PROCESSES", str(workplace / "processes"))
    make_suite(*(f"prompt {number}" for number in range(10)))
    return workplace / "runs/r"


def info(run):
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A process that has ended and was not yet waited for still answers.
    with open(f"/proc/{process}/stat", encoding="utf-8") as handle:
        return handle.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_runs_say_so_and_continue(start, run, workplace, number, workers):
    processes = str(workplace / "processes")
    started = start(*RUN, "--workers", workers, TOY_SAVE_EACH="1", TOY_PROCESSES=processes)
    assert started.wait_until(lambda: lines(run / "samples.jsonl") >= 2)
    ended = started.signal(number)
    assert ended.code == 130
    assert ended.err == "stepbench: interrupted; what is done is saved, the same command continues\n"
    assert info(run)["status"] == "interrupted"
    saved = lines(run / "samples.jsonl")
    assert 2 <= saved < 10
    assert not any(path.name.startswith(".tmp") for path in (run / "clips").iterdir())
    for process in set(map(int, (workplace / "processes").read_text(encoding="utf-8").split())):
        assert not is_alive(process)
    assert start(*RUN, TOY_PROCESSES=processes).wait().code == 0
    assert info(run)["status"] == "complete"
    attempts = [
        json.loads(line)["attempt"] for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert attempts == [1] * 10


def test_workers_end_with_a_killed_parent(start, run, workplace):
    started = start(*RUN, "--workers", "2", TOY_PROCESSES=str(workplace / "processes"), TOY_HOLD="never")
    assert started.wait_until(lambda: lines(workplace / "processes") >= 2)
    started.signal(signal.SIGKILL)
    processes = set(map(int, (workplace / "processes").read_text(encoding="utf-8").split()))
    for _ in range(1000):
        if not any(is_alive(process) for process in processes):
            break
        time.sleep(0.01)
    assert not any(is_alive(process) for process in processes)


def test_a_second_writer_is_refused(start, stepbench, run, workplace):
    first = start(*RUN, TOY_PROCESSES=str(workplace / "processes"), TOY_HOLD="go")
    assert first.wait_until(lambda: lines(workplace / "processes") >= 1)
    for second in (RUN, [*RUN, "--shard", "1/2"], ["merge", "runs/r", "-o", "runs/r"]):
        ended = stepbench(*second)
        assert ended.code == 2
        assert "another process is writing runs/r" in ended.err
        assert "wait for it, or give this run another --run-id" in ended.err
    (workplace / "go").touch()
    assert first.wait().code == 0
    # A killed or finished writer lets go by itself.
    assert stepbench(*RUN).code == 0


def test_a_second_writer_of_one_shard_is_refused(start, stepbench, run, workplace):
    first = start(*RUN, "--shard", "1/2", TOY_PROCESSES=str(workplace / "processes"), TOY_HOLD="go")
    assert first.wait_until(lambda: lines(workplace / "processes") >= 1)
    assert "another process is writing" in stepbench(*RUN, "--shard", "1/2").err
    assert "another process is writing" in stepbench(*RUN).err
    assert stepbench(*RUN, "--shard", "2/2").code == 0
    (workplace / "go").touch()
    assert first.wait().code == 0
    assert info(run)["status"] == "complete"


def test_a_torn_last_line_is_ignored_and_cut(stepbench, run):
    assert stepbench(*RUN).code == 0
    whole = final_bytes(run)
    journal = run / "samples.jsonl"
    rows = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(rows[:4]) + rows[4][:-20])
    assert stepbench("show", run, "--json").records()[0]["samples"]["ok"] == 10  # the summary still stands
    (run / "summary.json").unlink()
    assert stepbench(*RUN).code == 0
    assert final_bytes(run) == whole
    attempts = [json.loads(line)["attempt"] for line in journal.read_text(encoding="utf-8").splitlines()]
    assert attempts == [1] * 10


def test_a_broken_line_in_the_middle_is_named(stepbench, run):
    assert stepbench(*RUN).code == 0
    journal = run / "samples.jsonl"
    rows = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([rows[0], b"{nonsense}\n", *rows[2:]]))
    ended = stepbench(*RUN)
    assert ended.code == 2
    assert "samples.jsonl:2: not JSON" in ended.err
    journal.write_bytes(b"".join([rows[0], b"[1]\n", *rows[2:]]))
    assert "samples.jsonl:2: an object was expected, got list" in stepbench(*RUN).err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--seeds", "0..1"], "seeds: [0] there, [0, 1] now; samples: 10 there, 20 now"),
        (["-L", "3"], "samples: 10 there, 3 now"),
        (["--set", "fps=9"], "settings: {'fps': 8} there, {'fps': 9} now"),
        (["-M", "python:toy_generators:noise"], "generator: {'name': 'python:toy_generators:signed'"),
    ],
)
def test_another_plan_under_the_same_run_id_is_refused(stepbench, run, change, named):
    assert stepbench(*RUN).code == 0
    before = final_bytes(run)
    arguments = [*RUN, *change] if change[0] != "-M" else ["run", *change, *RUN[3:]]
    ended = stepbench(*arguments)
    assert ended.code == 2
    assert "holds a run with another plan" in ended.err
    assert named in ended.err
    assert "give another --run-id" in ended.err
    assert final_bytes(run) == before


def test_a_changed_suite_is_another_plan(stepbench, make_suite, run):
    assert stepbench(*RUN).code == 0
    make_suite(*(f"prompt {number}" for number in range(9)), "another prompt")
    ended = stepbench(*RUN)
    assert ended.code == 2
    assert "suite hash" in ended.err


def test_a_lost_plan_is_written_anew(stepbench, run):
    assert stepbench(*RUN).code == 0
    whole = final_bytes(run)
    (run / "plan.jsonl").unlink()
    assert stepbench(*RUN).code == 0
    assert final_bytes(run) == whole
