"""How fast the leaderboard is on a large board of made-up numbers, in a real browser, and how much memory it takes.

    python benchmarks/board.py --runs 2000 --prompts 500 --metrics 20

Times are those a visitor meets: from asking for a page, or from a click or key, until the page stands, as
`board_visit.py` defines it. The interface is to stay under 2 s for a first view and under 0.5 s for what a visitor does
on a page; the command only reports. Takes about two minutes on an idle machine of two cores. Needs Chromium and
playwright.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from board_made_up import make_board
from board_visit import ADDRESSES, Visitor, browser, interactions, prepare

from stepbench.board.folder import SCHEMA

COLUMNS = ("clock", "server_cpu", "browser_cpu")


def main() -> None:
    arguments = _arguments()
    scratch = Path(arguments.folder or tempfile.mkdtemp(prefix="made-up-board-"))
    board = scratch / f"board-{SCHEMA}-{arguments.runs}-{arguments.prompts}-{arguments.metrics}"
    if not (board / "board.json").exists():
        shutil.rmtree(board, ignore_errors=True)
        started = time.perf_counter()
        make_board(board, runs=arguments.runs, prompts=arguments.prompts, metrics=arguments.metrics)
        print(f"made up {arguments.runs} runs in {time.perf_counter() - started:.0f} s in {board}", file=sys.stderr)
    before = os.getloadavg()[0]
    with _served(board) as (address, server), browser() as new_visitor:
        rows = _measure(lambda: new_visitor(address), server.pid, arguments.repeats)
        memory = _peak_mib(server.pid)
    size = {"runs": arguments.runs, "prompts": arguments.prompts, "metrics": arguments.metrics}
    found = {**size, "seconds": rows, "server_peak_mib": memory, "load": [before, os.getloadavg()[0]]}
    print(json.dumps(found, indent=2) if arguments.json else _table(found))
    if arguments.folder is None:
        shutil.rmtree(scratch)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("runs", 2000), ("prompts", 500), ("metrics", 20), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--folder", help="keep the made-up board here, and use it again")
    return parser.parse_args()


def _measure(new_visitor: Callable[[], Visitor], server: int, repeats: int) -> dict[str, dict[str, float]]:
    """Medians of seconds: on the clock, and of processor time of the server and of all of the browser's processes.

    Every repeat is a visitor with an empty cache; the first view of a server just started stands alone.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}

    def note(label: str, run: Callable[[], float]) -> None:
        before, browser_before = _cpu_seconds(server), _browser_cpu(server)
        wall = run()
        after = _browser_cpu(server)
        browser_cpu = sum(seconds - browser_before.get(process, 0.0) for process, seconds in after.items())
        found.setdefault(label, []).append((wall, _cpu_seconds(server) - before, browser_cpu))

    for repeat in range(repeats):
        visitor = new_visitor()
        note("first view, fresh server" if repeat == 0 else "first view", visitor.open)
        prepare(visitor.page)
        for label, do in interactions().items():
            note(label, lambda visitor=visitor, do=do: visitor.act(do))
        for label, path in ADDRESSES.items():
            note(label, lambda visitor=visitor, path=path: visitor.open(path))
        visitor.page.close()
    return {
        label: dict(zip(COLUMNS, (round(median(column), 2) for column in zip(*times, strict=True)), strict=True))
        for label, times in found.items()
    }


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'':38}" + "".join(f"{name:>13}" for name in COLUMNS)]
    for label, row in found["seconds"].items():
        lines.append(f"{label:38}" + "".join(f"{row[name]:13.2f}" for name in COLUMNS))
    lines.append(
        f"server: {found['server_peak_mib']} MiB at its peak; load {found['load'][0]:.1f} to {found['load'][1]:.1f}"
    )
    return "\n".join(lines)


@contextmanager
def _served(board: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "stepbench", "leaderboard", "serve", str(board), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError("the server has ended")
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"no answer from {url}")


def _browser_cpu(server: int) -> dict[int, float]:
    """Seconds of processor time so far of every process below this one, but for the server."""
    seconds: dict[int, float] = {}
    waiting = [os.getpid()]
    while waiting:
        process = waiting.pop()
        try:
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                waiting += [
                    int(child) for child in children.read_text(encoding="ascii").split() if int(child) != server
                ]
            seconds[process] = _cpu_seconds(process)
        except (FileNotFoundError, ProcessLookupError):
            # A process of the browser that has just ended.
            continue
    del seconds[os.getpid()]
    return seconds


def _cpu_seconds(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_mib(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024


if __name__ == "__main__":
    main()
