"""Ranks that read their own parts of a folder make the clips of one process, and never hold more than their parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import rank_loading
from released_layout import build_released_folder

from reference_model.errors import ConfigError
from reference_model.parallel import ParallelConfig
from reference_model.parallel.config import text_degree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the released layout, weights in several shards."""
    return build_released_folder(tmp_path_factory.mktemp("models") / "small")


@pytest.mark.parametrize(
    "parallel",
    [
        ParallelConfig(tensor=2),
        ParallelConfig(ulysses=2),
        ParallelConfig(tensor=2, guidance=True, vae=False),
    ],
    ids=str,
)
def test_a_folder_is_read_in_parts_and_makes_the_same_clips(on_ranks, folder, parallel):
    ranks = on_ranks(parallel.processes, rank_loading.loaded, folder, parallel)
    for rank in ranks:
        assert rank["shape"] == (34, 3, 32, 16)
        assert rank["spread"] > 1
        assert rank["pixels"] <= 1
        assert rank["equal"] > 0.999
        # What is kept, in float32, is what was read, and not a view of more.
        assert rank["held"] == 4 * rank["read"]
        assert rank["cut"] == (7 * 2 if parallel.tensor > 1 else 0)
        # Without tensor parallelism, Step-LLM alone is cut.
        assert rank["held"] < (0.65 if parallel.tensor > 1 else 0.75) * rank["whole"]


def test_degrees_that_do_not_fit_are_refused_before_loading(on_ranks, folder):
    heads, processes = ParallelConfig(ulysses=3), ParallelConfig(tensor=2, guidance=True)
    for said in on_ranks(3, rank_loading.refused, folder, heads):
        assert said.startswith(
            "ulysses x tensor must divide the 2 attention heads, got 3 x 1\n  hint: the product may be 1, 2;"
        )
    for said in on_ranks(2, rank_loading.refused, folder, processes):
        assert said.startswith("guidance 2 x ulysses 1 x tensor 2 takes 4 processes, but 2 were started")
        assert "torchrun --standalone --nproc-per-node 4" in said


@pytest.mark.parametrize("degree", [0, -2, 1.5, True, "2"])
def test_degrees_are_whole_numbers(degree):
    with pytest.raises(ConfigError, match="tensor must be a whole number from 1 up, got"):
        ParallelConfig(tensor=degree)


@pytest.mark.parametrize(
    ("processes", "parts"), [(1, 1), (2, 2), (3, 1), (4, 4), (6, 2), (8, 8), (12, 4), (16, 8), (48, 8)]
)
def test_step_llm_is_cut_as_far_as_its_groups_allow(processes, parts):
    assert text_degree(processes, 8) == parts
