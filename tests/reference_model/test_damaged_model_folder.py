"""Model folders with tensors, indices, pickles and tokenizers that do not fit: each stops with a name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sentencepiece
import torch
from released_layout import SENTENCES, write
from safetensors.torch import load_file, save_file

from reference_model.checkpoint import (
    load_clip,
    load_transformer,
    load_vae,
    load_weights,
    save_weights,
)
from reference_model.checkpoint.sources import SafetensorsSource, TorchSource
from reference_model.config import ClipConfig
from reference_model.errors import CheckpointError
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer


def damaged(released_folder, tmp_path, change):
    """A copy of the VAE's folder whose tensors were changed."""
    tensors = load_file(released_folder / "vae" / "vae_v2.safetensors")
    change(tensors)
    (tmp_path / "vae").mkdir()
    save_file(tensors, tmp_path / "vae" / "vae_v2.safetensors")
    (tmp_path / "vae" / "config.json").write_bytes((released_folder / "vae" / "config.json").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("decoder.conv_out.bias"), "lacks tensor 'decoder.conv_out.bias'$"),
        (
            lambda t: (t.pop("decoder.conv_out.bias"), t.pop("decoder.conv_out.weight")),
            "'decoder.conv_out.*' and 1 more",
        ),
        (lambda t: t.update({"extra.weight": torch.zeros(1)}), "holds tensor 'extra.weight', which the model does not"),
        (
            lambda t: t.update({"encoder.norm_out.bias": torch.zeros(3)}),
            r"tensor 'encoder.norm_out.bias' must have shape \(16,\), got \(3,\)",
        ),
        (
            lambda t: t.update({"decoder.conv_out.conv.bias": torch.zeros(3)}),
            "two tensors stand for 'decoder.conv_out.bias'",
        ),
        (
            lambda t: t.update({"encoder.norm_out.bias": torch.zeros(16, dtype=torch.int64)}),
            "tensor 'encoder.norm_out.bias' must hold floating-point numbers, got I64",
        ),
    ],
)
def test_tensors_that_do_not_fit_stop_with_their_name(released_folder, tmp_path, change, message):
    with pytest.raises(CheckpointError, match=message):
        load_vae(damaged(released_folder, tmp_path, change))


def test_the_uniform_name_of_the_last_convolution_is_read_too(released_folder, tmp_path):
    def rename(tensors):
        for kind in ("weight", "bias"):
            tensors[f"decoder.conv_out.conv.{kind}"] = tensors.pop(f"decoder.conv_out.{kind}")

    renamed = load_vae(damaged(released_folder, tmp_path, rename))
    assert torch.equal(renamed.decoder.conv_out.weight, load_vae(released_folder).decoder.conv_out.weight)


def test_nothing_is_read_from_a_file_that_does_not_fit(released_folder):
    model = HunyuanClip(ClipConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="lacks tensor"):
        load_weights(model, SafetensorsSource(released_folder / "vae" / "vae_v2.safetensors"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_tensors_are_read_one_at_a_time(tmp_path):
    save_weights(torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(3))), tmp_path, shard_bytes=1)
    tensors = iter(SafetensorsSource(tmp_path))
    next(tensors)
    for file in tmp_path.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(FileNotFoundError):
        list(tensors)


def test_clip_is_read_with_and_without_its_prefix(released_folder, tmp_path):
    released = load_clip(released_folder).state_dict()
    bare = {name.removeprefix("bert."): tensor for name, tensor in released.items()}
    folder = tmp_path / "hunyuan_clip" / "clip_text_encoder"
    folder.mkdir(parents=True)
    config = released_folder / "hunyuan_clip" / "clip_text_encoder" / "config.json"
    (folder / "config.json").write_bytes(config.read_bytes())
    torch.save(bare, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    again = load_clip(tmp_path).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in released.items())


class Unwelcome:
    """What no weights file may bring along."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight": Unwelcome()}, "cannot be read as plain tensors(.|\n)*convert it to safetensors"),
        ({"weight": 3}, "must hold a dict of tensors"),
        ([torch.zeros(1)], "must hold a dict of tensors"),
    ],
)
def test_pickles_with_anything_but_tensors_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=message):
        TorchSource(tmp_path / "pytorch_model.bin")


@pytest.mark.parametrize("content", [b"", b"junk", b"PK", bytes(range(256))])
def test_files_that_are_no_pickles_are_refused(tmp_path, content):
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin cannot be read as plain tensors"):
        TorchSource(tmp_path / "pytorch_model.bin")


def test_missing_and_damaged_files_are_named(released_folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"file not found: .*transformer.config\.json\n  hint: the folder must"):
        load_transformer(tmp_path)
    with pytest.raises(CheckpointError, match=r"file not found: .*vae_v2\.safetensors"):
        load_vae(tmp_path)
    with pytest.raises(CheckpointError, match=r"file not found: .*pytorch_model\.bin"):
        TorchSource(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"tokenizer file not found: .*x\.model"):
        StepTokenizer(tmp_path / "x.model")
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(CheckpointError, match=r"torn\.safetensors is damaged"):
        SafetensorsSource(tmp_path / "torn.safetensors")
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not valid JSON"):
        load_transformer(tmp_path)
    (tmp_path / "transformer" / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="must hold a JSON object, got list"):
        load_transformer(tmp_path)
    (tmp_path / "transformer" / "config.json").unlink()
    (tmp_path / "transformer" / "config.json").mkdir()
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read: Is a directory"):
        load_transformer(tmp_path)


@pytest.mark.parametrize("content", [{}, {"weight_map": None}, {"weight_map": ["a"]}, {"weight_map": {"a": 1}}])
def test_an_index_that_places_nothing_is_refused(tmp_path, content):
    write(tmp_path / "model.safetensors.index.json", content)
    with pytest.raises(CheckpointError, match=r"index\.json must have a 'weight_map' from names of tensors to files"):
        SafetensorsSource(tmp_path)


def test_index_and_shards_must_agree(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    save_file({"a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "one.safetensors")
    write(index, {"weight_map": {"a": "one.safetensors"}})
    with pytest.raises(
        CheckpointError, match=r"holds tensor 'b', which model\.safetensors\.index\.json does not place"
    ):
        SafetensorsSource(tmp_path)
    write(index, {"weight_map": {name: "one.safetensors" for name in "abc"}})
    with pytest.raises(CheckpointError, match=r"promises tensor 'c' in one\.safetensors"):
        SafetensorsSource(tmp_path)
    write(index, {"weight_map": {"a": "two.safetensors"}})
    with pytest.raises(CheckpointError, match=r"file not found: .*two\.safetensors"):
        SafetensorsSource(tmp_path)


def test_shards_are_found_without_their_index(released_folder, tmp_path):
    folder = Path(shutil.copytree(released_folder / "transformer", tmp_path / "transformer"))
    whole = load_transformer(tmp_path).state_dict()
    (folder / "diffusion_pytorch_model.safetensors.index.json").unlink()
    found = load_transformer(tmp_path).state_dict()
    assert all(torch.equal(found[name], value) for name, value in whole.items())
    first, *_, last = sorted(folder.glob("*.safetensors"))
    again = shutil.copyfile(first, folder / "diffusion_pytorch_model-1-of-1.safetensors")
    with pytest.raises(CheckpointError, match="which another file beside it holds too"):
        load_transformer(tmp_path)
    again.unlink()
    last.unlink()
    with pytest.raises(CheckpointError, match="transformer lacks tensor"):
        load_transformer(tmp_path)


def test_a_vocabulary_without_its_special_tokens_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[CLS]\nred\n")
    with pytest.raises(CheckpointError, match=r"vocabulary lacks \[UNK\], \[SEP\]"):
        ClipTokenizer(tmp_path / "vocab.txt")


def test_tokenizer_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xff")
    with pytest.raises(CheckpointError, match=r"vocab\.txt is no text in UTF-8"):
        ClipTokenizer(tmp_path / "vocab.txt")
    (tmp_path / "odd.model").write_bytes(b"junk" * 100)
    with pytest.raises(CheckpointError, match=r"odd\.model is no SentencePiece model: .*could not parse"):
        StepTokenizer(tmp_path / "odd.model")


def test_a_sentencepiece_model_with_other_ids_is_refused(tmp_path):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_prefix=str(tmp_path / "odd"),
        vocab_size=100,
        hard_vocab_limit=False,
        bos_id=-1,
        minloglevel=2,
    )
    with pytest.raises(CheckpointError, match="must be ids 1 and 2, got -1"):
        StepTokenizer(tmp_path / "odd.model")
