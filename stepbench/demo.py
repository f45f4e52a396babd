"""The main job on the built-in world and models: suite, clips, metrics, comparison, board. Offline, on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stepbench import api
from stepbench.board import build_board
from stepbench.comparison import Comparison, compare
from stepbench.runs.run import Run

SUITE = "moving-shapes"
GENERATORS = ("step-video:tiny", "step-video:tiny-turbo", "step-video:tiny-dpo")
"""A small Step-Video model, the same distilled to fewer steps, and the same after Video-DPO on simulated votes."""
LIMIT = 48
SEEDS = (0,)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demo made: one run per generator, comparisons with the first, and where the board is."""

    runs: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]
    board: Path
    seconds: float


def run_demo(out: Path, *, workers: int = 1, limit: int = LIMIT, say: Callable[[str], None] = print) -> Demo:
    """Run every step of the loop, writing below `out` only. Called again it continues, and finds its work done.

    Args:
        out: Folder of runs.
        workers: Processes.
        limit: Prompts of the suite to use.
        say: Told what happens, step by step.
    """
    started = time.perf_counter()
    runs: list[Run] = []
    for generator in GENERATORS:
        say(f"{len(runs) + 1}/{len(GENERATORS)} {generator}: {limit} prompts x {len(SEEDS)} seeds")
        runs.append(api.run(generator, SUITE, seeds=SEEDS, limit=limit, out=out, workers=workers))
    board = out / "board"
    say(f"building the leaderboard in {board}")
    build_board(out, board)
    return Demo(
        runs=tuple(runs),
        comparisons=tuple(compare(runs[0], other) for other in runs[1:]),
        board=board,
        seconds=time.perf_counter() - started,
    )
