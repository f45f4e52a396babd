"""Every kind of parallelism, and their combinations, against golden tensors and one process."""

from __future__ import annotations

import pytest
import rank_checks

from reference_model.parallel import ParallelConfig

TENSOR, ULYSSES, GUIDANCE = ParallelConfig(tensor=2), ParallelConfig(ulysses=2), ParallelConfig(guidance=True)


@pytest.mark.parametrize("parallel", [TENSOR, ULYSSES, GUIDANCE], ids=str)
def test_two_ranks_equal_golden(on_ranks, parallel):
    for name in ("dit_patch2_extra", "dit_small_activations"):
        for distances in on_ranks(2, rank_checks.golden_velocities, name, parallel):
            assert max(distances) < 1e-5
    assert max(on_ranks(2, rank_checks.golden_pipeline, parallel)) < 1e-5


@pytest.mark.parametrize("parallel", [ParallelConfig(tensor=3), ParallelConfig(ulysses=3)], ids=str)
def test_three_ranks_equal_golden(on_ranks, parallel):
    for distances in on_ranks(3, rank_checks.golden_velocities, "dit_multihead", parallel):
        assert len(distances) == 2
        assert max(distances) < 1e-5


@pytest.mark.parametrize(
    "parallel", [ParallelConfig(guidance=True, tensor=2), ParallelConfig(guidance=True, ulysses=2)], ids=str
)
def test_four_ranks_equal_golden(on_ranks, parallel):
    assert max(on_ranks(4, rank_checks.golden_pipeline, parallel)) < 1e-5


GRIDS = [(3, 3, 3), (3, 2, 4), (1, 1, 1), (1, 1, 5), (5, 7, 3)]
"""27, 24, 1, 5 and 105 tokens: with two and with four ranks, some of them have padding, and some nothing else."""


@pytest.mark.parametrize(
    "parallel",
    [
        ULYSSES,
        ParallelConfig(ulysses=4),
        ParallelConfig(ulysses=2, tensor=2),
        pytest.param(ParallelConfig(tensor=4), marks=pytest.mark.slow),
        pytest.param(ParallelConfig(ulysses=2, guidance=True), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_any_number_of_tokens_will_do(on_ranks, parallel):
    for distances in on_ranks(parallel.processes, rank_checks.velocities_of_one_process, parallel, GRIDS):
        assert max(distances) < 1e-5


@pytest.mark.slow
def test_all_three_together(on_ranks):
    parallel = ParallelConfig(ulysses=2, tensor=2, guidance=True)
    for distances in on_ranks(8, rank_checks.velocities_of_one_process, parallel, GRIDS):
        assert max(distances) < 1e-5


@pytest.mark.parametrize("alibi", ["sqrt", pytest.param("none", marks=pytest.mark.slow)])
def test_step_llm_equals_golden(on_ranks, alibi):
    assert max(on_ranks(2, rank_checks.golden_step_llm, alibi)) < 1e-5


def test_decoding_equals_golden(on_ranks):
    for distances in on_ranks(2, rank_checks.golden_decoding, ["z1", "z3", "z4", "z6"]):
        assert max(distances) < 1e-5


@pytest.mark.parametrize("how", ["upstream", "simultaneous", "none"])
def test_chunks_are_dealt_out_and_blended_as_ever(on_ranks, how):
    assert on_ranks(2, rank_checks.blended_decoding, 8, how) == [(True, 2), (True, 1)]


def test_guidance_needs_both_texts_in_one_batch(on_ranks):
    for said in on_ranks(2, rank_checks.one_text_alone):
        assert said.startswith("guidance parallelism needs prompt and negative prompt in one batch, got a batch of 1\n")
