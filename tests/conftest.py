"""What the tests of the core share: a small suite, toy generators, and ways to call the command line."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
REPOSITORY = Path(__file__).parent.parent
CARD = """\
name = "mini"
version = "1"
title = "Mini"
licence = "CC0-1.0"
languages = ["en", "zh"]
source = "made for tests"
citation = "none"
"""


def pytest_collection_finish() -> None:
    """Set what is imported aside from garbage collection: looking at all of it each time would take half a second."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """At its end the interpreter collects everything again."""
    gc.unfreeze()


def write_mini_suite(folder: Path, texts: Sequence[str]) -> Path:
    """A suite folder with one prompt per text: p1, p2 ..., in categories a and b by turns."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": f"p{number}", "text": text, "language": "en", "category": "ab"[number % 2]}
        for number, text in enumerate(texts, start=1)
    ]
    (folder / "suite.toml").write_text(CARD, encoding="utf-8")
    (folder / "prompts.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return folder


@pytest.fixture
def make_suite(workplace: Path) -> Callable[..., Path]:
    """`make_suite("text", "text 2")` writes a suite of these prompts and returns its folder."""

    def make(*texts: str, name: str = "mini") -> Path:
        return write_mini_suite(workplace / name, texts)

    return make


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder from which the toy generators are found, here and in processes started from here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(DATA))
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{DATA}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in [name for name in os.environ if name.startswith("STEPBENCH_")]:
        monkeypatch.delenv(name)
    return tmp_path


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def records(self) -> list[dict[str, Any]]:
        """Standard output, every line of which must be a JSON object."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def stepbench(workplace: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """`stepbench("run", "-M", ...)` calls the command line in this process."""
    from stepbench.cli.main import main

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def python_m_stepbench(workplace: Path) -> Callable[..., Ended]:
    """`python_m_stepbench("run", ...)` calls `python -m stepbench` in a process of its own."""

    def call(*arguments: object, **options: Any) -> Ended:
        command = [sys.executable, "-m", "stepbench", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
        return Ended(result.returncode, result.stdout, result.stderr)

    return call


@dataclass
class Started:
    """A command at work in a process of its own."""

    process: Any
    log: Path

    def wait(self) -> Ended:
        """Wait for its end."""
        self.process.join(300)
        assert self.process.exitcode is not None, "still at work after five minutes"
        return Ended(self.process.exitcode, "", self.log.read_text(encoding="utf-8"))

    def signal(self, number: int) -> Ended:
        """Send a signal and wait for the end."""
        os.kill(self.process.pid, number)
        return self.wait()

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds; False if the process ended before that."""
        while not condition():
            if not self.process.is_alive():
                return False
            time.sleep(0.002)
        return True


@pytest.fixture(scope="session")
def warm_processes() -> Iterator[Any]:
    """Processes that are forked, cheaply, from one that has imported everything. Python has one such process, and it
    imports what it is first told to: whoever needs more adds to `toy_process.PRELOADED`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DATA))
        patch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{DATA}")
        patch.setenv("OMP_NUM_THREADS", "1")
        from toy_process import PRELOADED

        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        yield context


@pytest.fixture
def start(workplace: Path, warm_processes: Any) -> Iterator[Callable[..., Started]]:
    """`start("run", "-M", ...)` starts the command line in a process of its own that can be killed."""
    from toy_process import call

    started: list[Started] = []

    def begin(*arguments: object, **environment: str) -> Started:
        log = workplace / f"log-{len(started)}"
        words = [str(argument) for argument in arguments]
        process = warm_processes.Process(target=call, args=(words, workplace, environment, log))
        process.start()
        started.append(Started(process, log))
        return started[-1]

    yield begin
    for one in started:
        if one.process.is_alive():
            one.process.kill()
        one.process.join()
        one.process.close()
