"""`stepbench weights`: what there is, and whether a model folder fits its configs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_step_video import write_folder

from reference_model.checkpoint.verify import verify_folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("models") / "mini-video")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "mini-video"))


def change_tensors(file: Path, change) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_a_whole_folder_fits(stepbench, folder):
    ended = stepbench("weights", "verify", folder)
    assert (ended.code, "holds what its configs ask for" in ended.err) == (0, True)
    ended = stepbench("weights", "verify", folder, "--json")
    records = ended.records()
    assert [r["part"] for r in records] == ["transformer", "vae", "step_llm", "hunyuan_clip", "tokenizers"]
    assert all(record["fits"] for record in records)
    assert records[0]["tensors"] == len(load_file(next((folder / "transformer").glob("*.safetensors"))))


def test_missing_extra_and_misshapen_tensors_are_named(stepbench, folder):
    def damage(tensors):
        del tensors["decoder.conv_out.bias"]
        tensors["surplus"] = torch.zeros(1)
        tensors["encoder.norm_out.bias"] = torch.zeros(3)
        tensors["encoder.norm_out.weight"] = torch.zeros(16, dtype=torch.int32)

    change_tensors(folder / "vae" / "vae_v2.safetensors", damage)
    ended = stepbench("weights", "verify", folder)
    assert ended.code == 3
    for line in (
        "vae: missing tensor decoder.conv_out.bias",
        "vae: unexpected tensor surplus",
        "vae: tensor encoder.norm_out.bias must have shape (16,), got (3,)",
        "vae: no floating-point numbers in encoder.norm_out.weight (I32)",
    ):
        assert line in ended.out
    record = stepbench("weights", "verify", folder, "--json").records()[1]
    assert record["missing"] == ["decoder.conv_out.bias"]
    assert record["extra"] == ["surplus"]
    assert record["misshapen"] == {"encoder.norm_out.bias": [[16], [3]]}


def test_a_config_of_another_model_shows(stepbench, folder):
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_layers": 4}))
    ended = stepbench("weights", "verify", folder)
    assert ended.code == 3
    assert "missing tensor transformer_blocks.2.attn1.wqkv.weight" in ended.out
    assert "transformer: and 12 more; --json lists all" in ended.out  # two blocks of 16, 20 shown


def test_files_that_cannot_be_read_are_a_finding(stepbench, folder):
    (folder / "vae" / "vae_v2.safetensors").write_bytes(b"\x10")
    next((folder / "step_llm").glob("*.safetensors")).unlink()
    (folder / "hunyuan_clip" / "tokenizer" / "vocab.txt").unlink()
    ended = stepbench("weights", "verify", folder)
    assert ended.code == 3
    for words in ("is damaged", "step_llm: file not found", "tokenizers: tokenizer file not found"):
        assert words in ended.out


def test_tokenizers_must_fit_their_models(folder):
    vocabulary = folder / "hunyuan_clip" / "tokenizer" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8") + "one\nmore\n", encoding="utf-8")
    report = list(verify_folder(folder))[-1]
    assert not report.fits
    assert "CLIP tokenizer has" in report.error


def test_folders_without_configs_are_a_usage_error(stepbench, tmp_path):
    ended = stepbench("weights", "verify", tmp_path / "nowhere")
    assert (ended.code, "no model folder at" in ended.err) == (2, True)
    (tmp_path / "empty").mkdir()
    ended = stepbench("weights", "verify", tmp_path / "empty")
    assert (ended.code, "config.json" in ended.err) == (2, True)


def test_external_weights_are_listed_with_address_and_licence(stepbench):
    rows = stepbench("weights", "list", "--json").records()
    assert {"step-video-t2v", "step-video-t2v-turbo"} <= {row["name"] for row in rows}
    assert all(row["address"].startswith("https://") and row["licence"] and row["purpose"] for row in rows)
    ended = stepbench("weights", "list")
    assert (ended.code, "stepfun-ai/stepvideo-t2v" in ended.out) == (0, True)
    # What could not be found out is said, once.
    assert ended.err.count("whether those terms reach it is not verified") == 1
    assert "step-video-t2v, step-video-t2v-turbo: MIT is" in ended.err
