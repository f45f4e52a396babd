"""FSDP2 with recomputed blocks: a step of the transformer, and of Video-DPO, equals the step of one process."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rank_training
import torch
from released_layout import build_released_folder

from reference_model.errors import CheckpointError
from reference_model.training.sharded_start import ShardedStart


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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_released_folder(tmp_path_factory.mktemp("models") / "small")


@pytest.mark.parametrize(
    ("lora_rank", "share", "reads"),
    [
        pytest.param(2, 0.75, 1, id="adapters"),
        pytest.param(0, 0.51, 2, id="all weights"),
        pytest.param(None, 0.51, 1, id="flow matching", marks=pytest.mark.slow),
    ],
)
def test_a_model_folder_is_read_in_parts_and_trained_as_by_one(on_ranks, root, tmp_path, lora_rank, share, reads):
    (one,) = on_ranks(1, rank_training.from_folder, tmp_path / "one", root, lora_rank)
    first, second = on_ranks(2, rank_training.from_folder, tmp_path / "two", root, lora_rank)
    assert_same_weights([(one["cut"], one["weights"])], [(first["cut"], first["weights"]), ()])
    # The same digests of what is not trained, so that either can go on where the other stopped.
    assert first["prints"] == one["prints"]
    for rank in (first, second):
        # Reference and model are read one after the other; each time it is this process' part.
        assert 0 < rank["read"] <= share * reads * rank["whole"]
        assert rank["held"] <= (share + 0.1) * rank["whole"]
    assert first["read"] + second["read"] >= reads * one["whole"]


def test_a_folder_that_does_not_fit_is_refused_before_anything_is_cut(root, tmp_path):
    shutil.copytree(root, tmp_path / "model")
    config = tmp_path / "model" / "transformer" / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"num_layers": 2', '"num_layers": 3'))
    with pytest.raises(CheckpointError, match=r"transformer_blocks\.2"):
        ShardedStart(tmp_path / "model", device=torch.device("cpu")).transformer()
