"""Runs that are killed or asked to stop, in processes of their own."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
import training_toys
from training_toys import assert_same_run, final_state, toy_run

from reference_model.training.interrupts import DeferredSignals

STEPS = {"steps": 40, "save_every": 5, "log_every": 1, "sample_every": 15}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    toy_run(folder, **STEPS)
    return folder


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    """A test runner in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(processes, folder, pause=0.005):
    process = processes.Process(target=training_toys.toy_process, args=(folder, pause, STEPS))
    process.start()
    return process


def wait_for_rows(folder, count):
    """Until the log has so many lines."""
    patience = time.monotonic() + 120
    while not ((folder / "log.csv").is_file() and (folder / "log.csv").read_bytes().count(b"\n") > count):
        assert time.monotonic() < patience
        time.sleep(0.001)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_killed_at_a_random_moment(warm_processes, finished, tmp_path, seed):
    chance = random.Random(seed)
    process = started(warm_processes, tmp_path)
    wait_for_rows(tmp_path, chance.randrange(1, 35))
    time.sleep(chance.random() * 0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "checkpoints" / "step-00000040").exists()
    toy_run(tmp_path, **STEPS)
    assert_same_run(finished, tmp_path)


@pytest.mark.slow
def test_killed_at_every_change_of_the_disk(warm_processes, finished, tmp_path):
    """Every file operation of the first three checkpoints, which includes the first removal of an old one."""
    for at in range(1, 60):
        folder = tmp_path / str(at)
        process = warm_processes.Process(target=training_toys.toy_process_that_dies, args=(folder, at, STEPS))
        process.start()
        process.join()
        assert process.exitcode == 9
        toy_run(folder, **STEPS)
        assert_same_run(finished, folder)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 1)])
def test_a_signal_leaves_a_checkpoint_of_the_step(warm_processes, finished, tmp_path, number, code):
    process = started(warm_processes, tmp_path, pause=0.05)
    wait_for_rows(tmp_path, 7)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == code
    reached = int(final_state(tmp_path)["step"])
    assert 7 <= reached <= 9
    toy_run(tmp_path, **STEPS)
    assert_same_run(finished, tmp_path)


def test_work_goes_on_after_the_first_signal_and_not_after_the_second():
    done = []

    def work(times):
        with DeferredSignals():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            done.append(times)

    for times in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            work(times)
    assert done == [1]


def test_an_error_in_the_block_comes_first():
    def work():
        with DeferredSignals():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with DeferredSignals() as signals:
            signal.raise_signal(signal.SIGTERM)
        assert signals.received is None
    finally:
        signal.signal(signal.SIGTERM, before)


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with DeferredSignals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_get_no_signals_and_train_all_the_same(tmp_path):
    reached = []
    thread = threading.Thread(target=lambda: reached.append(toy_run(tmp_path, steps=2)))
    thread.start()
    thread.join()
    assert reached == [2]
