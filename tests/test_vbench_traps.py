"""What moves a score of VBench and must move none here. Each trap has its test; those that stand elsewhere are named.

trap                                test
number of processes                 tests/runs/test_set_scores.py: test_every_number_of_workers_gives_the_same_bytes,
                                    tests/metrics/test_metric_processes.py, tests/metrics/test_set_metric_processes.py
memory of the GPU (size of batches) tests/runs/test_score_stream.py: test_every_pass_has_as_many_clips_of_one_shape,
                                    tests/metrics/test_metric_validity.py: test_batch_size_order_and_layout_...,
                                    and here: the size that motion is computed at
file names                          here
dimensions that are missing         tests/test_vbench_score.py: test_an_absent_dimension_is_never_a_zero
left and right                      tests/worlds/test_world_signed_relations.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import metrics
from stepbench.clip_scores import score_folder
from stepbench.video import write_master

NAMES = {
    "plain": ("a.mkv", "b.mkv", "c.mkv"),
    "as VBench wants them": ("a red ball-0.mkv", "a red ball-1.mkv", "a cat to the left of a dog-0.mkv"),
    "the other way round": ("z.mkv", "y.mkv", "x.mkv"),
    "in folders, and in Chinese": ("1/x.mkv", "2/x.mkv", "一只猫-0.mkv"),
}


def scores_under(names: tuple[str, ...], folder: Path) -> list[dict[str, float | None]]:
    """The offline scores of three clips that bear these names, in the order of the clips."""
    for seed, name in enumerate(names):
        still = np.random.default_rng(seed).integers(0, 200, (1, 3, 24, 24), dtype=np.uint8)
        path = folder / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_master(path, np.repeat(still, 5, axis=0) + np.arange(5, dtype=np.uint8)[:, None, None, None] * seed, 8)
    found = score_folder(folder / "clips", folder / "kept.jsonl", metrics=["offline"])
    return [found.scores[name] for name in names]


@pytest.mark.parametrize("names", NAMES)
def test_names_of_files_do_not_move_a_score(names: str, tmp_path: Path):
    plain = scores_under(NAMES["plain"], tmp_path / "plain")
    assert plain[0] != plain[1] != plain[2]
    assert scores_under(NAMES[names], tmp_path / "named") == plain


def test_no_metric_asks_how_much_memory_there_is():
    # VBench shrinks frames until they fit the GPU. Here the size that flow is computed at is a constant in the id.
    sources = [path for path in Path(metrics.__file__).parent.rglob("*.py")]
    asking = ("mem_get_info", "memory_allocated", "get_device_properties", "total_memory", "virtual_memory")
    assert not [path.name for path in sources for word in asking if word in path.read_text(encoding="utf-8")]
    for name in ("motion_magnitude", "warping_error", "dynamic_degree"):
        assert "max256" in metrics.describe(name).policy
    assert "256" in inspect.getsource(metrics.functional.flow)
