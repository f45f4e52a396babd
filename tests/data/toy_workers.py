"""Workers for tests of the executors. A task is a number, or a word that says what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stepbench.errors import UsageError
from stepbench.executors.protocol import Broken, Lost
from stepbench.runs.score_worker import ScoredClip


def make_square() -> Callable[[Any], Any]:
    return square


def square(task: Any) -> Any:
    if isinstance(task, Path):
        return start_a_child(task)
    if task == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "exit":
        os._exit(7)
    if task == "raise":
        raise ValueError("bad task")
    if task == "hang":
        time.sleep(60)
    if task == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if task == "process":
        return os.getpid()
    if task == "gpus":
        return os.environ.get("CUDA_VISIBLE_DEVICES")
    if task == "lock":
        return threading.Lock()
    if isinstance(task, tuple):
        return crash_so_often(*task)
    if task == "threads":
        return os.environ.get("OMP_NUM_THREADS")
    if task == "unpicklable":
        return lambda: None
    return task * task


def make_with_own_error() -> Any:
    raise UsageError("no such model", hint="name another")


def make_broken() -> Any:
    raise RuntimeError("weights are damaged")


def make_dying() -> Any:
    os._exit(9)


def start_a_child(note: Path) -> int:
    """Start a program, note its process number, and wait for it; end it when told to end."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        note.write_text(str(child.pid), encoding="utf-8")
        return child.wait()
    finally:
        child.kill()
        child.wait()


def crash_so_often(note: Path, times: int) -> int:
    """End the process the first so many times; then the number of the attempt."""
    before = len(note.read_text(encoding="utf-8")) if note.exists() else 0
    note.write_text("x" * (before + 1), encoding="utf-8")
    if before < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return before + 1


def make_scorer() -> Callable[[Any], Any]:
    return score


def score(tasks: Any) -> Any:
    """A scorer that ends its process at the task `exit`."""
    for task in tasks:
        if task.sample_key == "exit":
            os._exit(7)
        yield task, ScoredClip(rows=[{"key": task.sample_key}], seconds=0.0)


def make_rank() -> Callable[[Any], Any]:
    """One of two ranks, which hand each other messages; files in the current folder say what goes wrong with rank 1."""
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    if rank and Path("unfit").exists():
        raise UsageError("rank 1 has no such model")
    dist.init_process_group("gloo")
    return rank_1 if rank else rank_0


def rank_0(task: str) -> Any:
    if task == "environment":
        return dict(os.environ)
    if task == "broken":
        return Broken(Lost("rank 0 says so"))
    if task == "hang":
        time.sleep(60)
    try:
        return sum_of_ranks()
    except RuntimeError as error:
        return Broken(Lost(str(error)))


def rank_1(_: None) -> None:
    if Path("die").exists():
        Path("die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if Path("raise").exists():
        raise ValueError("bad weights")
    while True:
        sum_of_ranks()


def sum_of_ranks() -> int:
    import torch
    import torch.distributed as dist

    total = torch.tensor(int(os.environ["RANK"]))
    dist.all_reduce(total)
    return int(total)
