"""How long a command takes to start: `--help` and lists, beside an empty Python program, each in a fresh process.

    python benchmarks/startup.py
    python benchmarks/startup.py --rounds 20 --json

The commands take turns, so that what else the machine does meets all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import stepbench

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "stepbench --help": ["-m", "stepbench", "--help"],
    "stepbench --version": ["-m", "stepbench", "--version"],
    "stepbench run --help": ["-m", "stepbench", "run", "--help"],
    "stepbench list suites": ["-m", "stepbench", "list", "suites"],
}


def seconds_of(arguments: Sequence[str]) -> float:
    """Wall time of one process from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def measure(rounds: int) -> dict[str, Any]:
    """Median, fastest and slowest of so many rounds; one round before them fills the caches."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken = seconds_of(arguments)
            if number:
                seconds[name].append(taken)
    return {
        "rounds": rounds,
        "commands": {
            name: {"median": statistics.median(taken), "low": min(taken), "high": max(taken)}
            for name, taken in seconds.items()
        },
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "stepbench": stepbench.__version__,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    found = measure(options.rounds)
    if options.json:
        json.dump(found, sys.stdout)
        print()
        return
    print(f"{'seconds':24} median    low   high   ({found['rounds']} rounds, {found['cores']} cores)")
    for name, taken in found["commands"].items():
        print(f"{name:24} {taken['median']:6.2f} {taken['low']:6.2f} {taken['high']:6.2f}")


if __name__ == "__main__":
    main()
