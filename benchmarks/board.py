"""How fast the leaderboard is on a large board of made-up numbers, in a real browser, and how much memory it takes.

    python benchmarks/board.py --runs 2000 --prompts 500 --metrics 20

Times are those a visitor meets: from asking for a page, or from a click, until the page stands still again. Needs
Chromium and playwright.
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

WATCH = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  window.stoodStill = 0;
  new MutationObserver(() => {
    if (app.dataset.testScriptState === 'notRunning') window.stoodStill = performance.now();
  }).observe(app, { attributes: true, attributeFilter: ['data-test-script-state'] });
}"""


CLICKS = {"sort by another metric": "Made-up 05 ↑", "one category": "food", "one language": "zh"}
ADDRESSES = {
    "filter by text (shared address)": "?find=model+12",
    "weighted score (shared address)": "?weight=2:made_up_00@1:none&weight=1:made_up_03@1:none",
    "gallery": "gallery?a=run-0001&b=run-0002",
    "compare": "compare?runs=run-0001&runs=run-0002&runs=run-0003",
    "model": "model?run=run-0007",
    "history": "history",
}


def main() -> None:
    arguments = _arguments()
    scratch = Path(arguments.folder or tempfile.mkdtemp(prefix="made-up-board-"))
    board = scratch / "board"
    if not board.exists():
        started = time.perf_counter()
        make_board(board, runs=arguments.runs, prompts=arguments.prompts, metrics=arguments.metrics)
        print(f"made up {arguments.runs} runs in {time.perf_counter() - started:.0f} s in {board}", file=sys.stderr)
    with _served(board) as (address, server), _browser() as new_page:
        rows = _measure(address, new_page, server.pid, arguments.repeats)
        memory = _peak_mib(server.pid)
    size = {"runs": arguments.runs, "prompts": arguments.prompts, "metrics": arguments.metrics}
    print(json.dumps({**size, "seconds": rows, "server_peak_mib": memory, "load": os.getloadavg()[0]}, indent=2))
    if arguments.folder is None:
        shutil.rmtree(scratch)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("runs", 2000), ("prompts", 500), ("metrics", 20), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", help="keep the made-up board here, and use it again")
    return parser.parse_args()


def _measure(address: str, new_page: Callable[[], Any], process: int, repeats: int) -> dict[str, dict[str, float]]:
    """Medians of seconds on the clock and of the server's processor time; a fresh server's first view stands alone."""
    found: dict[str, list[tuple[float, float]]] = {}

    def note(label: str, run: Callable[[], float]) -> None:
        before = _cpu_seconds(process)
        wall = run()
        found.setdefault(label, []).append((wall, _cpu_seconds(process) - before))

    for repeat in range(repeats):
        page = new_page()
        note("first view, fresh server" if repeat == 0 else "first view", lambda page=page: _opened(page, address))
        page.evaluate(WATCH)
        for label, name in CLICKS.items():
            click = page.get_by_role("radio", name=name, exact=True).first.click
            note(label, lambda page=page, click=click: _settled(page, click))
        for label, path in ADDRESSES.items():
            note(label, lambda page=page, path=path: _opened(page, f"{address}/{path}"))
        page.close()
    return {
        label: {
            "wall": round(median(wall for wall, _ in times), 2),
            "server_cpu": round(median(cpu for _, cpu in times), 2),
        }
        for label, times in found.items()
    }


def _opened(page: Any, address: str) -> float:
    """Seconds until the page's script has ended and its title stands."""
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning] h1", timeout=60_000)
    return time.perf_counter() - started


def _settled(page: Any, click: Callable[[], None]) -> float:
    """Seconds from a click until the page's script has ended."""
    before = page.evaluate("performance.now()")
    click()
    page.wait_for_function(f"window.stoodStill > {before}", timeout=60_000)
    return (page.evaluate("window.stoodStill") - before) / 1000


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


@contextmanager
def _browser() -> Iterator[Callable[[], Any]]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield lambda: browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def _cpu_seconds(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_mib(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024


if __name__ == "__main__":
    main()
