"""Two real processes that share clips give the value of one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp
from subjects import SUBJECTS

SHARES = (slice(0, 1), slice(1, 3))


def scored(share: slice) -> dict[str, float]:
    values = {}
    for subject in SUBJECTS:
        preds, target = subject.disturbed_and_clean()
        metric = subject.build()
        metric.update(preds[share], target[share], fps=8)
        values[subject.name] = float(metric.compute())
    return values


def share_scored(rank: int, folder: str) -> None:
    """Score one share as one of two processes, and write down what this process takes the value of all clips to be."""
    meeting = f"file://{folder}/meeting"
    patience = timedelta(minutes=5)  # so that a second process that dies early fails the test and does not hang it
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=len(SHARES), timeout=patience)
    try:
        Path(folder, f"{rank}.json").write_text(json.dumps(scored(SHARES[rank])))
    finally:
        dist.destroy_process_group()


def second_process(index: int, folder: str) -> None:
    share_scored(1 + index, folder)


def test_two_processes_give_the_value_of_one(tmp_path: Path):
    alone, part = scored(slice(0, 3)), scored(SHARES[0])
    assert part != pytest.approx(alone, rel=1e-3), "the shares must differ for this to prove anything"
    other = mp.spawn(second_process, args=(str(tmp_path),), nprocs=1, join=False)
    share_scored(0, str(tmp_path))
    other.join()
    for rank in range(len(SHARES)):
        together = json.loads((tmp_path / f"{rank}.json").read_text())
        assert together == pytest.approx(alone, rel=1e-12)
