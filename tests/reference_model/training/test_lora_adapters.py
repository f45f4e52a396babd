"""Adapters: no effect at first, the base untouched, merged weights that compute the same under the released names."""

from __future__ import annotations

import sys
import warnings

import pytest
import torch
from dpo_toys import PROMPTS, SHAPE, copied, scrambled_adapters, toy_model
from torch import nn

from reference_model.checkpoint.layout import TRANSFORMER_STEM
from reference_model.checkpoint.load import load_weights
from reference_model.checkpoint.save import save_weights
from reference_model.checkpoint.sources import SafetensorsSource
from reference_model.errors import CheckpointError, ConfigError
from reference_model.training.lora import (
    adapters_off,
    add_adapters,
    has_adapters,
    load_adapters,
    merged,
    save_adapters,
    scale_adapters,
)
from reference_model.training.optimiser import trainable
from reference_model.transformer.model import StepVideoTransformer


def with_adapters(seed: int = 0, **options):
    model = toy_model(**options.pop("model", {}))
    settings = {"rank": 2, "alpha": 4.0, "generator": torch.Generator().manual_seed(seed), **options}
    add_adapters(model.transformer, **settings)
    return model


@torch.no_grad()
def velocity(model, transformer=None):
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, *SHAPE, generator=generator)
    own = model.transformer
    model.transformer = own if transformer is None else transformer
    try:
        return model(latents, torch.tensor([0.2, 0.7]), list(PROMPTS[:2]))
    finally:
        model.transformer = own


def test_new_adapters_change_nothing():
    torch.testing.assert_close(velocity(with_adapters()), velocity(toy_model()), rtol=0, atol=0)


def test_only_adapters_of_the_blocks_linear_layers_are_trained():
    model = with_adapters()
    names = [name for name, _ in trainable(model)]
    assert all(".transformer_blocks." in name and ".lora_" in name for name in names)
    linears = [
        module
        for block in toy_model().transformer.transformer_blocks
        for module in block.modules()
        if isinstance(module, nn.Linear)
    ]
    assert len(linears) == 14
    expected = sum(2 * (layer.in_features + layer.out_features) for layer in linears)
    assert sum(value.numel() for _, value in trainable(model)) == expected


def test_adapters_of_the_attention_layers_alone():
    names = [name for name, _ in trainable(with_adapters(layers=("attention",)))]
    assert len(names) == 2 * 5 * 2
    assert not any(".ff." in name for name in names)


def test_adapters_add_the_scaled_product():
    model = with_adapters()
    scrambled_adapters(model)
    layer = model.transformer.transformer_blocks[0].attn1.wqkv
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    low_rank = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(layer(x), x @ (layer.base_layer.weight + 2 * low_rank).T)  # alpha / rank = 2


def test_the_draw_belongs_to_the_generator_and_the_global_one_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = dict(trainable(with_adapters(seed=1)))
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    again, other = dict(trainable(with_adapters(seed=1))), dict(trainable(with_adapters(seed=2)))
    name = "transformer.transformer_blocks.1.ff.net.2.lora_A.default.weight"
    assert torch.equal(one[name], again[name])
    assert not torch.equal(one[name], other[name])


def test_adapters_off_is_the_model_without_them():
    model = with_adapters()
    scrambled_adapters(model)
    tuned, names = velocity(model), [name for name, _ in trainable(model)]
    with adapters_off(model.transformer):
        torch.testing.assert_close(velocity(model), velocity(toy_model()), rtol=0, atol=0)
    torch.testing.assert_close(velocity(model), tuned, rtol=0, atol=0)
    assert (tuned - velocity(toy_model())).norm() > 0.1 * tuned.norm()
    assert [name for name, _ in trainable(model)] == names


def test_adapters_come_back_after_an_error():
    model = with_adapters()
    scrambled_adapters(model)
    tuned = velocity(model)
    with pytest.raises(RuntimeError, match="inside"), adapters_off(model.transformer):
        raise RuntimeError("inside")
    torch.testing.assert_close(velocity(model), tuned, rtol=0, atol=0)


def test_merged_weights_compute_the_same_under_the_released_names(tmp_path):
    model = with_adapters()
    scrambled_adapters(model)
    before = copied(model.state_dict())
    plain = merged(model.transformer)
    torch.testing.assert_close(velocity(model, plain), velocity(model), rtol=1e-5, atol=1e-6)
    assert {name: value.shape for name, value in plain.state_dict().items()} == {
        name: value.shape for name, value in toy_model().transformer.state_dict().items()
    }
    assert not has_adapters(plain)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])

    save_weights(plain, tmp_path, TRANSFORMER_STEM)
    loaded = StepVideoTransformer(plain.cfg)
    load_weights(loaded, SafetensorsSource(tmp_path, TRANSFORMER_STEM))
    torch.testing.assert_close(velocity(model, loaded), velocity(model, plain), rtol=0, atol=0)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_scaled_adapters_lie_on_the_line_between_both_models(share):
    model = with_adapters()
    scrambled_adapters(model)
    base, whole = toy_model().transformer.state_dict(), copied(merged(model.transformer).state_dict())
    scale_adapters(model.transformer, share)
    for name, value in merged(model.transformer).state_dict().items():
        torch.testing.assert_close(value, base[name] + share * (whole[name] - base[name]), rtol=1e-5, atol=1e-6)


def test_merging_without_adapters_gives_the_same_weights():
    transformer = toy_model().transformer
    for name, value in merged(transformer).state_dict().items():
        assert torch.equal(value, transformer.state_dict()[name])


def test_adapters_of_a_bfloat16_model_are_float32_and_merged_weights_are_not():
    model = toy_model()
    model.transformer.bfloat16()
    add_adapters(model.transformer, rank=2, alpha=2.0, generator=torch.Generator().manual_seed(0))
    assert {value.dtype for _, value in trainable(model)} == {torch.float32}
    assert {value.dtype for value in merged(model.transformer).state_dict().values()} == {torch.bfloat16}


def test_saved_adapters_are_read_by_us_and_by_peft(tmp_path):
    peft = pytest.importorskip("peft")
    model = with_adapters()
    scrambled_adapters(model)
    save_adapters(model.transformer, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]

    other = toy_model()
    load_adapters(other.transformer, tmp_path)
    torch.testing.assert_close(velocity(other), velocity(model), rtol=0, atol=0)

    third = toy_model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's advice on models that are not from a hub
        wrapped = peft.PeftModel.from_pretrained(third.transformer, tmp_path)
    torch.testing.assert_close(velocity(third, wrapped), velocity(model), rtol=0, atol=0)


def test_a_second_set_of_adapters_is_refused():
    model = with_adapters()
    with pytest.raises(ConfigError, match="this transformer has adapters already\n  hint: merge them first"):
        add_adapters(model.transformer, rank=2, alpha=2.0, generator=torch.Generator())


def test_without_peft_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r'not installed\n  hint: pip install "stepbench\[train\]"'):
        add_adapters(toy_model().transformer, rank=2, alpha=2.0, generator=torch.Generator())


def test_a_folder_without_adapters(tmp_path):
    with pytest.raises(CheckpointError, match="no adapters can be read from"):
        load_adapters(toy_model().transformer, tmp_path)


def test_a_damaged_file_of_adapters(tmp_path):
    save_adapters(with_adapters().transformer, tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"\x08\0\0")
    with pytest.raises(CheckpointError, match="no adapters can be read from"):
        load_adapters(toy_model().transformer, tmp_path)


def test_adapters_of_another_model(tmp_path):
    save_adapters(with_adapters(model={"num_layers": 1}).transformer, tmp_path)
    expected = (
        "belong to another model: 14 tensors differ, first transformer_blocks.1.attn1.wo.lora_A.weight: shape None"
    )
    with pytest.raises(CheckpointError, match=expected):
        load_adapters(toy_model().transformer, tmp_path)
