"""FSDP2 with recomputed blocks: a step of the transformer, and of Video-DPO, equals the step of one process."""

from __future__ import annotations

import numpy as np
import pytest
import rank_training


def assert_same_weights(one, two):
    (cut_alone, alone), ((cut, together), _) = one[0], two
    assert cut_alone == 0
    assert cut > 10
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        np.testing.assert_allclose(together[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_sharded_step_of_the_transformer(on_ranks, tmp_path):
    one = on_ranks(1, rank_training.flow, tmp_path / "one")
    assert_same_weights(one, on_ranks(2, rank_training.flow, tmp_path / "two"))


@pytest.mark.parametrize(
    "lora_rank", [pytest.param(2, id="adapters"), pytest.param(0, id="all weights", marks=pytest.mark.slow)]
)
def test_a_sharded_step_of_video_dpo(on_ranks, tmp_path, lora_rank):
    one = on_ranks(1, rank_training.preferences, tmp_path / "one", lora_rank)
    assert_same_weights(one, on_ranks(2, rank_training.preferences, tmp_path / "two", lora_rank))
