"""A variant that ships only what differs from the folder it is based on."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from released_layout import build_released_folder

from reference_model.checkpoint import load_pipeline
from reference_model.checkpoint.layout import ModelFolder
from reference_model.errors import CheckpointError
from stepbench.generators.step_video_weights import stored_dtypes, weights_hash

SMALL = {"num_frames": 17, "height": 32, "width": 16, "num_steps": 2}


@pytest.fixture(scope="module")
def variant(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    build_released_folder(root / "whole")
    (root / "variant").mkdir()
    shutil.copytree(root / "whole" / "transformer", root / "variant" / "transformer")
    (root / "variant" / "base.json").write_text('{"folder": "../whole"}', encoding="utf-8")
    return root / "variant"


def test_parts_that_are_not_here_come_from_the_base(variant):
    whole = variant.parent / "whole"
    folder = ModelFolder(variant)
    assert folder.transformer == variant / "transformer"
    assert folder.vae_weights == whole / "vae" / "vae_v2.safetensors"
    clips = [load_pipeline(root)("a red circle", seeds=3, **SMALL)[0].frames for root in (variant, whole)]
    assert torch.equal(*clips)
    assert stored_dtypes(variant) == stored_dtypes(whole)


def test_identity_covers_the_parts_of_the_base(variant):
    whole = variant.parent / "whole"
    before = weights_hash(variant)
    assert before == weights_hash(whole)
    vocabulary = ModelFolder(whole).clip_vocabulary
    text = vocabulary.read_text(encoding="utf-8")
    vocabulary.write_text(text + "more\n", encoding="utf-8")
    assert weights_hash(variant) != before
    vocabulary.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("named", ["/etc", "../../other", "..", "../..", "whole", 7, None])
def test_a_base_is_a_folder_beside_this_one(tmp_path, named):
    (tmp_path / "base.json").write_text(json.dumps({"folder": named}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="must be a folder beside this one"):
        _ = ModelFolder(tmp_path).vae_weights


def test_a_base_that_is_not_there_is_named(tmp_path):
    (tmp_path / "base.json").write_text('{"folder": "../missing-model"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"names '../missing-model', but there is no folder"):
        _ = ModelFolder(tmp_path).transformer
