"""How long `stepbench leaderboard build` takes and how much memory it needs, by the number of runs.

    python benchmarks/board_build.py --runs 20 50 100 --prompts 500 --metrics 20 --folder /tmp/runs

One run is really made, from tiny clips; all others share its files by hard links and have scores drawn at random. For
each number of runs: a board built from nothing, the same again, and again after one run was scored anew. Prints seconds
of processor time and on the clock, and the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from stepbench.api import run
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings, Suite, SuiteCard

CATEGORIES = 8
SETTINGS: Settings = {"frames": 4, "height": 16, "width": 16, "fps": 8}


class Painter:
    """Clips of one colour, which cost next to nothing."""

    card = GeneratorCard(name="made-up", revision="1", description="clips of one colour, scores drawn at random")

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """One size for all."""
        return dict(SETTINGS)

    def generate(self, request: Request) -> Clip:
        """One clip, whose colour tells the prompt."""
        colour = np.frombuffer(request.prompt_id.encode()[-3:], np.uint8)
        frames = np.broadcast_to(colour[None, :, None, None], (4, 3, 16, 16))
        return Clip(frames=np.ascontiguousarray(frames), fps=8.0)


def main() -> None:
    arguments = _arguments()
    scratch = Path(arguments.folder or tempfile.mkdtemp(prefix="made-up-runs-"))
    runs = scratch / "runs"
    template = scratch / "made" / "template"
    if not template.exists():
        run(Painter(), _suite(arguments.prompts), metrics=(), seeds=(0,), out=template.parent, run_id=template.name)
    print(f"{'runs':>5} {'what':28} {'processor s':>12} {'clock s':>9} {'MiB':>7}")
    for count in sorted(arguments.runs):
        for number in range(count):
            _made_up_run(template, runs / f"run-{number:04}", arguments.metrics, seed=number)
        board = scratch / f"board-{count}"
        shutil.rmtree(board, ignore_errors=True)
        _report(count, "from nothing", runs, board, arguments.compared)
        _report(count, "nothing has changed", runs, board, arguments.compared)
        _scores(template, runs / "run-0000", arguments.metrics, seed=int(time.time()))
        _report(count, "one run scored anew", runs, board, arguments.compared)
        shutil.rmtree(board)
    print(f"load {os.getloadavg()[0]:.1f}")
    if arguments.folder is None:
        shutil.rmtree(scratch)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--compared", type=int, default=20, help="best runs that are compared pair by pair")
    parser.add_argument("--folder", help="keep the made-up runs here, and use them again")
    return parser.parse_args()


def _suite(prompts: int) -> Suite:
    rows = tuple(
        Prompt(
            id=f"p{number:04}",
            text=f"made-up prompt number {number}",
            language=("en", "zh")[number % 2],
            category=f"category {number // 2 % CATEGORIES}",
        )
        for number in range(prompts)
    )
    card = SuiteCard(
        name="made-up",
        version="1",
        title="made up",
        languages=("en", "zh"),
        licence="CC0-1.0",
        source="a benchmark",
        citation="none",
    )
    return Suite(card=card, prompts=rows)


def _made_up_run(template: Path, folder: Path, metrics: int, seed: int) -> None:
    if folder.exists():
        return
    shutil.copytree(template, folder, copy_function=os.link, ignore=shutil.ignore_patterns("run.json", "scores"))
    info = json.loads((template / "run.json").read_text(encoding="utf-8"))
    info["run_id"] = folder.name
    info["metric_cards"] = {card["id"]: card for card in map(_card, range(metrics))}
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    (folder / "scores").mkdir()
    _scores(template, folder, metrics, seed)


def _scores(template: Path, folder: Path, metrics: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [json.loads(line) for line in (template / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    for metric_id in (_card(number)["id"] for number in range(metrics)):
        values = rng.normal() + rng.normal(size=len(samples))
        rows = (
            {
                "sample_key": sample["sample_key"],
                "metric_id": metric_id,
                "clip_sha256": sample["clip_sha256"],
                "value": float(value),
                "n": 1,
                "status": "ok",
                "error": None,
            }
            for sample, value in zip(samples, values, strict=True)
        )
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "scores" / f"{metric_id}.jsonl").write_text(text, encoding="utf-8")


def _card(number: int) -> dict[str, object]:
    texts = dict.fromkeys(("formula", "source", "sees", "blind_to"), "made up for a benchmark")
    name = f"made_up_{number:02}"
    return {
        "id": f"{name}@1:none",
        "name": name,
        "version": 1,
        "title": f"Made-up {number:02}",
        "direction": "lower" if number % 4 == 3 else "higher",
        "unit": "points",
        "range": [None, None],
        "level": "clip",
        "needs": [],
        "family": "made up",
        "policy": "none",
        "backbone": None,
        "weights_hash": "",
        **texts,
    }


def _report(count: int, what: str, runs: Path, board: Path, compared: int) -> None:
    command = [sys.executable, "-m", "stepbench", "leaderboard", "build", "--runs", str(runs), "-o", str(board)]
    command += ["--compared", str(compared)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"`{' '.join(command)}` ended with {os.waitstatus_to_exitcode(status)}")
    seconds = usage.ru_utime + usage.ru_stime
    clock = time.perf_counter() - started
    print(f"{count:5} {what:28} {seconds:12.1f} {clock:9.1f} {usage.ru_maxrss / 1024:7.0f}", flush=True)


if __name__ == "__main__":
    main()
