"""Two real processes that share clips give score, cosine and margin of one, also where one of them has no clip."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import clips
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

import metrics
from metrics.shapes_alignment import DISTRACTORS

SHARES = {"uneven": (slice(0, 1), slice(1, 4)), "one idle": (slice(0, 4), slice(4, 4))}


def scored(share: slice) -> list[float]:
    score = metrics.build("shapes_score")
    preds = clips.batch(4)
    score.update(preds[share], prompts=DISTRACTORS[:4][share])
    margin = score.margin()
    return [float(score.compute()), score.cosine(), margin.mean, margin.standard_error]


def share_scored(rank: int, folder: str) -> None:
    """Score the shares of one process, and write down what it takes the values of all clips to be."""
    patience = timedelta(minutes=2)  # so that a second process that dies early fails the test and does not hang it
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=patience)
    try:
        found = {name: scored(shares[rank]) for name, shares in SHARES.items()}
        Path(folder, f"{rank}.json").write_text(json.dumps(found))
    finally:
        dist.destroy_process_group()


def second_process(index: int, folder: str) -> None:
    share_scored(1 + index, folder)


@pytest.mark.slow
def test_two_processes_give_the_values_of_one(tmp_path: Path):
    alone = scored(slice(0, 4))
    other = mp.spawn(second_process, args=(str(tmp_path),), nprocs=1, join=False)
    share_scored(0, str(tmp_path))
    other.join()
    for rank in (0, 1):
        together = json.loads((tmp_path / f"{rank}.json").read_text())
        assert together == {name: pytest.approx(alone, rel=1e-9) for name in SHARES}


def test_a_process_without_clips_has_matrices_of_the_right_width_to_send():
    empty, full = metrics.build("shapes_score"), metrics.build("shapes_score")
    full.update(clips.batch(1), prompts=DISTRACTORS[:1])
    for state in ("clip_vectors", "text_vectors", "prompt_keys"):
        none, one = empty._joined(state), full._joined(state)
        assert (none.shape[0], none.shape[1:], none.dtype) == (0, one.shape[1:], one.dtype)
