"""Time ways to do the same work by turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch


@dataclass(frozen=True)
class Turn:
    """One call: seconds on the clock, seconds of processor time, and the process's peak memory meanwhile."""

    wall: float
    cpu: float
    peak_mib: float


def take_turns(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Turn]]:
    """Every way once per round, in an order that turns around from round to round."""
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in sorted(ways, key=list(ways).index, reverse=bool(number % 2)):
            turns[name].append(_timed(ways[name]))
    return turns


def ratios(slow: list[Turn], fast: list[Turn], clock: str) -> dict[str, float]:
    """How many times as long the first took, by round: median, least and most."""
    by_round = [getattr(a, clock) / getattr(b, clock) for a, b in zip(slow, fast, strict=True)]
    return {"ratio": median(by_round), "low": min(by_round), "high": max(by_round)}


def seconds(turns: list[Turn], clock: str) -> float:
    """Median."""
    return median(getattr(turn, clock) for turn in turns)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
    }


def peak_mib() -> float:
    """Most memory of this process since `forget_peak`, or since it began where the system does not tell; MiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def forget_peak() -> None:
    """Let the peak begin anew, where the system can (Linux)."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5", encoding="ascii")


def _timed(call: Callable[[], Any]) -> Turn:
    forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Turn(time.perf_counter() - wall, time.process_time() - cpu, peak_mib())
