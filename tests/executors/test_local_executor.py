"""The local executor: the same results for any number of workers, and one lost task for one lost worker."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.executors import local
from stepbench.executors.local import Lost, run_tasks


@pytest.fixture(autouse=True)
def toys(workplace):
    import toy_workers

    return toy_workers


@pytest.fixture(autouse=True)
def no_process_stays():
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_same_results_for_any_number_of_workers(toys, workers):
    results = dict(run_tasks(toys.make_square, list(range(20)), workers=workers))
    assert results == {number: number * number for number in range(20)}


def test_one_worker_without_a_limit_is_this_process(toys):
    assert list(run_tasks(toys.make_square, ["process"])) == [("process", os.getpid())]
    ((_, elsewhere),) = run_tasks(toys.make_square, ["process"], workers=2)
    assert elsewhere != os.getpid()
    ((_, elsewhere),) = run_tasks(toys.make_square, ["process"], timeout=30)
    assert elsewhere != os.getpid()


def test_workers_share_the_cores_unless_the_user_says_otherwise(toys, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [result for _, result in run_tasks(toys.make_square, ["threads"] * 2, workers=2)] == ["3", "3"]
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert [result for _, result in run_tasks(toys.make_square, ["threads"] * 2, workers=2)] == ["5", "5"]


def test_no_more_workers_than_tasks(toys):
    assert list(run_tasks(toys.make_square, [], workers=8)) == []
    seen = []
    for task, result in run_tasks(toys.make_square, [1, 2], workers=8):
        seen.append((task, result))
        assert len(multiprocessing.active_children()) <= 2
    assert sorted(seen) == [(1, 1), (2, 4)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_raises_is_lost_alone(toys, workers):
    results = dict(run_tasks(toys.make_square, [1, "raise", 2], workers=workers))
    assert results == {1: 1, "raise": Lost("ValueError: bad task"), 2: 4}


def test_a_worker_that_dies_costs_its_task_alone(toys):
    tasks = [1, "crash", 2, "exit", 3, 4]
    results = dict(run_tasks(toys.make_square, tasks, workers=2))
    assert results == {
        **{1: 1, 2: 4, 3: 9, 4: 16},
        "crash": Lost("worker killed by SIGKILL"),
        "exit": Lost("worker exited with 7"),
    }


def test_an_answer_that_cannot_be_sent_is_lost_alone(toys):
    results = dict(run_tasks(toys.make_square, ["unpicklable", 5], workers=2))
    assert results == {"unpicklable": Lost("worker exited with 1"), 5: 25}


def test_a_task_over_the_limit_is_ended(toys, monkeypatch):
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(local, "STOP_SECONDS", 0.2)
    results = dict(run_tasks(toys.make_square, ["hang", "deaf", 3], workers=2, timeout=1.0))
    assert results == {"hang": Lost("timed out after 1 s"), "deaf": Lost("timed out after 1 s"), 3: 9}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_worker_that_cannot_be_built_ends_the_work(toys, workers):
    with pytest.raises(UsageError, match="no such model") as caught:
        list(run_tasks(toys.make_with_own_error, [1, 2, 3], workers=workers))
    assert caught.value.hint == "name another"


def test_a_worker_that_breaks_while_it_is_built_ends_the_work(toys):
    with pytest.raises(EnvironmentUnfitError, match="a worker cannot be built: RuntimeError: weights are damaged"):
        list(run_tasks(toys.make_broken, [1, 2, 3], workers=2))
    with pytest.raises(RuntimeError, match="weights are damaged"):
        list(run_tasks(toys.make_broken, [1, 2, 3]))


def test_workers_that_die_at_the_start_end_the_work(toys):
    with pytest.raises(EnvironmentUnfitError, match="workers do not start: worker exited with 9"):
        list(run_tasks(toys.make_dying, [1, 2, 3], workers=2))


def test_closing_ends_the_workers_and_the_programs_they_run(toys, workplace):
    note = workplace / "child"
    # The first worker that is ready takes the first task, so it is under way when the second comes back.
    work = run_tasks(toys.make_square, [note, 3], workers=2)
    assert next(work) == (3, 9)
    wait_until(lambda: note.exists() and note.read_text(encoding="utf-8"))
    work.close()
    child = int(note.read_text(encoding="utf-8"))
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_limit_ends_the_program_that_a_worker_runs(toys, workplace, monkeypatch):
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.0)
    note = workplace / "child"
    assert list(run_tasks(toys.make_square, [note], timeout=2.0)) == [(note, Lost("timed out after 2 s"))]
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text(encoding="utf-8")), 0)


def wait_until(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to pass")
