"""The main job on the built-in world and models: suite, clips, metrics, comparison, votes, board. Offline, on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stepbench import api
from stepbench.board import build_board
from stepbench.comparison import Comparison, compare
from stepbench.preferences import Study
from stepbench.preferences.metric_taste import metric_utilities
from stepbench.preferences.plan import plan_study
from stepbench.preferences.ratings.study_ratings import StudyRatings, rate_study
from stepbench.preferences.simulate import Population, simulate_votes
from stepbench.preferences.study_folder import STUDY_FILE, new_study
from stepbench.runs.run import Run

SUITE = "moving-shapes"
GENERATORS = ("step-video:tiny", "step-video:tiny-turbo", "step-video:tiny-dpo")
"""A small Step-Video model, the same distilled to fewer steps, and the same after Video-DPO on simulated votes."""
LIMIT = 48
SEEDS = (0,)
VOTES_PER_PAIR = 2
ANNOTATORS = 12
TASTE = "shape_alignment"
"""The metric that the simulated annotators go by."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demo made: a run per generator, comparisons with the first, ratings by simulated votes, the board."""

    runs: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]
    study: Path
    ratings: StudyRatings
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
    study = out / f"study-{runs[0].name.rpartition('-')[2]}"
    say(f"{ANNOTATORS} simulated annotators vote in {study}")
    ratings = _simulated_study(study, runs)
    board = out / "board"
    say(f"building the leaderboard in {board}")
    build_board(out, board)
    return Demo(
        runs=tuple(runs),
        comparisons=tuple(compare(runs[0], other) for other in runs[1:]),
        study=study,
        ratings=ratings,
        board=board,
        seconds=time.perf_counter() - started,
    )


def _simulated_study(folder: Path, runs: list[Run]) -> StudyRatings:
    """Blind pairs of the runs, judged by programs that say so. A study that exists goes on."""
    with Study.open(folder) if (folder / STUDY_FILE).exists() else new_study(folder, protocol="pairwise") as study:
        if study.pairs().empty:
            plan_study(study, runs, pairing="all", target_votes=VOTES_PER_PAIR)
        simulate_votes(study, Population(annotators=ANNOTATORS), utilities=metric_utilities(study, runs, TASTE))
        return rate_study(study.votes(), rng=np.random.default_rng(0))
