"""A folder in the released layout, with small models and tokenizers trained here: loading, saving, generating."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from released_layout import write
from safetensors.torch import load_file, save_file

from reference_model.checkpoint import (
    load_clip,
    load_pipeline,
    load_step_llm,
    load_text_encoder,
    load_transformer,
    load_vae,
    save_pipeline,
)
from reference_model.checkpoint.configs import read_sampling
from reference_model.checkpoint.layout import ModelFolder
from reference_model.checkpoint.sources import RenamedSource, SafetensorsSource
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig
from reference_model.errors import ConfigError
from reference_model.packaged import packaged_folder
from reference_model.presets import step_video_t2v, step_video_t2v_turbo
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer

SMALL = {"num_frames": 17, "height": 32, "width": 16, "num_steps": 2}


def test_a_downloaded_folder_makes_clips_from_english_and_chinese(released_folder):
    assert len(list((released_folder / "transformer").glob("*-of-*.safetensors"))) > 2
    prompts = ["a small red circle moves left", "一个大蓝的方向右移动"]
    clips = load_pipeline(released_folder)(prompts, seeds=[1, 2], **SMALL)
    assert [clip.frames.shape for clip in clips] == [(17, 3, 32, 16)] * 4
    assert all(not torch.equal(clips[0].frames, other.frames) for other in clips[1:])
    again = load_pipeline(released_folder)(prompts, seeds=[1, 2], **SMALL)
    assert all(torch.equal(left.frames, right.frames) for left, right in zip(clips, again, strict=True))


def test_weights_kept_in_halves_for_their_size_are_computed_in_float32(released_folder):
    # CPUs without float16 units take minutes for a convolution in halves.
    tiny_folder = packaged_folder("tiny")
    assert {tensor.dtype for tensor in load_vae(tiny_folder).parameters()} == {torch.float16}
    pipeline = load_pipeline(tiny_folder)
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder):
        assert {parameter.dtype for parameter in part.parameters()} == {torch.float32}
    stored = load_pipeline(tiny_folder, sampling=pipeline.sampling.changed(dtype="stored"))
    assert stored.transformer.proj_out.weight.dtype == torch.float16
    with pytest.raises(ConfigError, match="dtype must be one of stored, float32, bfloat16, float16"):
        pipeline.sampling.changed(dtype="int8")


def test_dtypes_stay_as_they_are_on_disk_unless_asked(released_folder):
    kept = load_pipeline(released_folder)
    assert kept.transformer.proj_out.weight.dtype == torch.bfloat16
    assert kept.text_encoder.encode(["a"]).clip.dtype == torch.bfloat16  # cast from float32 like the released service
    assert next(kept.text_encoder.clip.parameters()).dtype == torch.float32
    cast = load_pipeline(released_folder, dtype=torch.float32)
    for module in (cast.transformer, cast.vae, cast.text_encoder):
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
        assert not any(parameter.is_meta for parameter in module.parameters())
        assert not list(module.buffers())


def test_released_folders_sample_with_released_settings(released_folder):
    assert load_pipeline(released_folder).sampling == SamplingConfig()
    own = SamplingConfig(num_steps=3)
    assert load_pipeline(released_folder, sampling=own).sampling == own


@pytest.mark.parametrize(
    ("name", "turbo"),
    [
        ("stepvideo-t2v", False),
        ("stepvideo-t2v-turbo", True),
        ("Step-Video-T2V-Turbo", True),
        ("models--stepfun-ai--stepvideo-t2v-turbo/snapshots/0f3a", True),
        ("models--stepfun-ai--stepvideo-t2v/snapshots/0f3a", False),
        ("stepvideo-t2v-turbo/transformer", False),
        ("not-stepvideo-t2v-turbo-but-mine", False),
    ],
)
def test_turbo_is_known_by_the_name_of_its_folder(tmp_path, name, turbo):
    root = tmp_path / name
    write(
        root / "scheduler" / "scheduler_config.json", {"_class_name": "FlowMatchDiscreteScheduler", "solver": "euler"}
    )
    sampling = read_sampling(ModelFolder(root))
    assert sampling == (step_video_t2v_turbo() if turbo else step_video_t2v()).sampling
    write(root / "sampling.json", {"num_steps": 3})
    assert read_sampling(ModelFolder(root)).num_steps == 3


def test_saving_and_loading_changes_nothing(released_folder, tmp_path):
    pipeline = load_pipeline(released_folder, sampling=SamplingConfig(**SMALL, guidance_scale=2.0))
    save_pipeline(pipeline, tmp_path / "copy", shard_bytes=50_000)
    copy = load_pipeline(tmp_path / "copy")
    assert copy.sampling == pipeline.sampling
    for name in ("transformer", "vae", "text_encoder"):
        left, right = getattr(pipeline, name).state_dict(), getattr(copy, name).state_dict()
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key], right[key]) and left[key].dtype == right[key].dtype for key in left)
    (before,), (after,) = pipeline("a red circle"), copy("a red circle")
    assert torch.equal(before.frames, after.frames)
    assert not list((tmp_path / "copy").rglob("*.bin"))
    assert not list((tmp_path / "copy").rglob("*.partial"))


def test_shards_respect_their_limit_and_the_index_lists_them(released_folder):
    folder = released_folder / "transformer"
    index = json.loads((folder / "diffusion_pytorch_model.safetensors.index.json").read_text())
    state = load_transformer(released_folder).state_dict()
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in state.values())
    assert index["weight_map"].keys() == state.keys()
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        assert len(tensors) == 1 or sum(tensor.nbytes for tensor in tensors.values()) <= 30_000


def test_only_a_local_pipeline_can_be_saved(released_folder, tmp_path):
    pipeline = load_pipeline(released_folder)
    pipeline.vae = object()
    with pytest.raises(TypeError, match="in this process"):
        save_pipeline(pipeline, tmp_path)


def test_step_tokenizer_frames_and_pads(released_folder):
    tokenizer = StepTokenizer(released_folder / "step_llm" / "step1_chat_tokenizer.model", length=8)
    ids, mask = tokenizer(["", "a red", "a small red circle moves left " * 9, "一个小红的圆"])
    assert ids.shape == mask.shape == (4, 8)
    assert ids[0].tolist() == [1, 2, 2, 2, 2, 2, 2, 2]
    assert mask[0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    pieces = tokenizer._pieces.encode("a red")
    assert ids[1].tolist() == [1, *pieces, 2] + [2] * (6 - len(pieces))
    assert mask[1].sum() == len(pieces) + 2
    assert (ids[2, 0], ids[2, -1], mask[2].sum()) == (1, 2, 8)
    assert 0 not in ids[3]
    assert tokenizer.vocab_size > ids.max()


def test_clip_tokenizer_splits_chinese_lowers_and_pads(released_folder):
    file = released_folder / "hunyuan_clip" / "tokenizer" / "vocab.txt"
    tokenizer = ClipTokenizer(file, length=10)
    vocabulary = file.read_text(encoding="utf-8").splitlines()
    ids, mask = tokenizer(["A Red CIRCLE", "小红圆", "red " * 30])
    assert [vocabulary[token] for token in ids[0, :5]] == ["[CLS]", "a", "red", "circle", "[SEP]"]
    assert mask[0].tolist() == [1] * 5 + [0] * 5
    assert [vocabulary[token] for token in ids[1, :6]] == ["[CLS]", "小", "红", "圆", "[SEP]", "[PAD]"]
    assert vocabulary[ids[2, 9]] == "[SEP]"
    assert mask[2].sum() == 10
    assert tokenizer.vocab_size == len(vocabulary)


def test_conditioning_puts_clip_first_and_counts_its_padding(released_folder):
    encoder = load_text_encoder(released_folder)
    text = encoder.encode(["a red circle", ""])
    assert text.llm.shape == (2, 320, 32)
    assert text.clip.shape == (2, 77, 16)
    assert text.mask.shape == (2, 397)
    assert text.mask[:, :77].all()
    assert text.mask[1].sum() == 77 + 2
    alone = encoder.encode(["a red circle"])
    assert torch.equal(alone.llm[0], text.llm[0])
    assert torch.equal(alone.clip[0], text.clip[0])


def test_tokenizers_must_not_have_more_ids_than_embeddings(released_folder):
    encoder = load_text_encoder(released_folder)
    parts = [encoder.llm, encoder.llm_tokenizer, encoder.clip, encoder.clip_tokenizer]
    small_llm = StepLLM(
        StepLLMConfig(hidden_size=8, num_attention_heads=1, num_attention_groups=1, num_layers=0, padded_vocab_size=9)
    )
    with pytest.raises(ConfigError, match=r"Step-LLM tokenizer has \d+ ids, but its model embeds only 9"):
        BilingualTextEncoder(small_llm, *parts[1:])
    small_clip = HunyuanClip(ClipConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=0, vocab_size=9))
    with pytest.raises(ConfigError, match=r"CLIP tokenizer has \d+ ids, but its model embeds only 9"):
        BilingualTextEncoder(*parts[:2], small_clip, parts[3])


def test_prompts_must_not_be_longer_than_clip_has_positions(released_folder):
    encoder = load_text_encoder(released_folder)
    cfg = ClipConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=0, max_position_embeddings=76)
    with pytest.raises(ConfigError, match="pads to 77 words, but its model has only 76 positions"):
        BilingualTextEncoder(encoder.llm, encoder.llm_tokenizer, HunyuanClip(cfg), encoder.clip_tokenizer)


def test_renaming_can_drop_tensors(tmp_path):
    save_file({"keep": torch.ones(2), "drop": torch.ones(1)}, tmp_path / "x.safetensors")
    source = RenamedSource(
        SafetensorsSource(tmp_path / "x.safetensors"), lambda name: None if name == "drop" else "kept"
    )
    assert source.shapes == {"kept": (2,)}
    assert [name for name, _ in source] == ["kept"]


def test_step_llm_and_clip_load_by_themselves(released_folder):
    assert load_step_llm(released_folder, dtype=torch.float32)(torch.tensor([[1, 2]])).shape == (1, 2, 32)
    assert load_clip(released_folder).cfg.hidden_size == 16


def test_models_without_values_draw_nothing_and_import_no_compiler():
    code = """
import sys, torch
from reference_model import StepLLM, StepLLMConfig, StepVideoTransformer, tiny
from reference_model.checkpoint.empty import without_values
from reference_model.text.hunyuan_clip import HunyuanClip
before = torch.random.get_rng_state()
preset = tiny()
with without_values():
    models = [StepVideoTransformer(preset.transformer), StepLLM(preset.llm), HunyuanClip(preset.clip)]
assert all(value.device.type == "meta" for model in models for value in model.state_dict().values())
assert torch.equal(before, torch.random.get_rng_state())
print([name for name in ("torch._dynamo", "sympy", "transformers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
