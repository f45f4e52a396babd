"""FP8 weights: bytes, error, and what stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reference_model.memory.fp8 import FP8, Fp8Linear, quantise_blocks, weight_bytes

PER_BLOCK = 7
"""Linear layers: wqkv and wo; wq, wkv and wo; two of the feed-forward."""


def block_linears(model):
    return [module for module in model.transformer_blocks.modules() if isinstance(module, nn.Linear)]


def test_bytes_are_one_per_weight_and_four_per_output_channel(small_transformer):
    model = small_transformer().bfloat16()
    linears = block_linears(model)
    assert len(linears) == 2 * PER_BLOCK
    weights, channels = sum(m.weight.numel() for m in linears), sum(m.out_features for m in linears)
    before = weight_bytes(model)
    assert quantise_blocks(model) is model
    assert not block_linears(model)
    assert weight_bytes(model) == before - 2 * weights + weights + 4 * channels
    quantised = [module for module in model.modules() if isinstance(module, Fp8Linear)]
    assert len(quantised) == 2 * PER_BLOCK
    assert {module.weight.dtype for module in quantised} == {FP8}


def test_other_layers_are_untouched(small_transformer):
    model = small_transformer().bfloat16()
    linears = {id(module.weight) for module in block_linears(model)}
    others = {name: p for name, p in model.named_parameters() if id(p) not in linears}
    copies = {name: p.detach().clone() for name, p in others.items()}
    quantise_blocks(model)
    after = dict(model.named_parameters())
    assert after.keys() == others.keys()
    assert all(after[name] is others[name] and torch.equal(after[name], copies[name]) for name in others)
    assert "adaln_single.linear.weight" in after


def test_every_weight_is_within_the_rounding_of_four_bits(draw):
    linear = nn.Linear(64, 48)
    with torch.no_grad():
        linear.weight.copy_(draw(48, 64) * torch.logspace(-6, 6, 48)[:, None])
    layer = Fp8Linear(linear)
    restored = layer.weight.float() * layer.scale
    assert ((restored - linear.weight).abs() <= linear.weight.abs() / 16 + layer.scale / 1024).all()
    torch.testing.assert_close(restored.abs().amax(dim=1), linear.weight.abs().amax(dim=1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_computes_with_its_rounded_weight_in_the_inputs_dtype(draw, dtype):
    linear = nn.Linear(64, 48).to(dtype)
    layer = Fp8Linear(linear)
    x = draw(3, 5, 64).to(dtype)
    with torch.no_grad():
        actual, exact = layer(x), linear(x)
        rounded = (layer.weight.float() * layer.scale).to(dtype)
        assert torch.equal(actual, nn.functional.linear(x, rounded, linear.bias))
    assert actual.dtype == dtype
    # Independent errors of at most 1/16, about 1/16/sqrt(3) of a weight each, add up to the same share of the sum.
    assert 0.005 < (actual - exact).float().norm() / exact.float().norm() < 0.05


def test_zeros_and_extremes_stay_finite():
    linear = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.0, 0, 0], [1e-38, -1e-38, 0], [3e38, -3e38, 1]]))
    layer = Fp8Linear(linear)
    assert layer.weight.float().isfinite().all()
    assert torch.equal((layer.weight.float() * layer.scale)[0], torch.zeros(3))


def test_the_velocity_stays_close(small_transformer, draw):
    model = small_transformer()
    arguments = (draw(1, 3, 2, 4, 4), torch.tensor([0.3]), draw(1, 6, 12, seed=1), draw(1, 3, 8, seed=2))
    with torch.no_grad():
        exact = model(*arguments)
        close = quantise_blocks(model)(*arguments)
    distance = (close - exact).norm() / exact.norm()
    assert 1e-4 < distance < 0.08


def test_quantised_pipelines_sample(small_pipeline):
    quantise_blocks(small_pipeline.transformer.bfloat16())
    (video,) = small_pipeline("a red square")
    assert video.frames.shape == (17, 3, 32, 16)
