"""Many threads and processes vote at once, some are killed: nothing is lost, doubled, or beyond a pair's target."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from study_pairs import pair_rows
from voters import vote_on

from stepbench.preferences import Study

PROCESSES, THREADS = 8, 7


def _diaries(folder: Path, word: str) -> list[str]:
    lines = [line for path in folder.glob("*.diary") for line in path.read_text(encoding="utf-8").splitlines()]
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def _storm(context: Any, url: str, folder: Path, *, pairs: int, target: int, kills: int, seed: int) -> None:
    study = Study.create(url, pair_rows(pairs), target_votes=target, seed=seed)
    rng = random.Random(seed)
    names = [f"annotator {number}" for number in range(PROCESSES * THREADS)]
    teams = [names[number::PROCESSES] for number in range(PROCESSES)]

    def begin(number: int, attempt: int) -> Any:
        diary = folder / f"{number}-{attempt}.diary"
        process = context.Process(target=vote_on, args=(url, diary, teams[number]))
        process.start()
        return process

    running = {number: begin(number, 0) for number in range(PROCESSES)}
    planned, killed = pairs * target, 0
    try:
        for attempt in range(1, kills + 1):
            # Kill while votes are coming in: after each further share of them.
            while len(_diaries(folder, "ok")) < planned * attempt / (kills + 2):
                assert any(process.is_alive() for process in running.values()), "all ended before the kill"
                time.sleep(0.002)
            victim = rng.choice([number for number, process in running.items() if process.is_alive()])
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].join()
            killed += running[victim].exitcode == -signal.SIGKILL
            # At no time may votes and live leases together be more than the target.
            table = study.pairs()
            assert (table.votes + study.live_leases().reindex(table.pair_id, fill_value=0).to_numpy() <= target).all()
            running[victim] = begin(victim, attempt)
        for process in running.values():
            process.join(120)
            assert process.exitcode == 0
    finally:
        for process in running.values():
            if process.is_alive():
                process.kill()
            process.join()
    assert killed == kills
    votes, confirmed, tried = study.votes(), _diaries(folder, "ok"), _diaries(folder, "try")
    study.close()
    assert set(confirmed) <= set(votes.vote_id), "a confirmed vote was lost"
    assert set(votes.vote_id) <= set(tried), "a vote nobody sent"
    assert votes.vote_id.is_unique
    assert not votes.duplicated(["pair_id", "annotator"]).any()
    assert votes.groupby("pair_id").size().eq(target).all()
    assert len(votes) == planned


def test_votes_survive_killed_clients(warm_processes: Any, study_url: str, tmp_path: Path) -> None:
    _storm(warm_processes, study_url, tmp_path, pairs=20, target=3, kills=2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_many_votes_survive_many_killed_clients(warm_processes: Any, study_url: str, tmp_path: Path, seed: int) -> None:
    _storm(warm_processes, study_url, tmp_path, pairs=300, target=5, kills=25, seed=seed)
