"""Roundings of the released code below float32 that `compat="upstream"` keeps and `compat="precise"` drops.

The numbers in the comments are worked out by hand: bfloat16 has 8 significant bits, so it is exact to 256, then even to
512, and so on.
"""

from __future__ import annotations

import math

import pytest
import torch

from reference_model.transformer.conditioning import scaled_time, sinusoid, visible_words
from reference_model.transformer.norm import RMSNorm
from reference_model.transformer.rope import rope_tables, rotate

SPLIT = (64, 32, 32)


@pytest.fixture
def quirks(golden):
    return golden("quirks")


def test_times_are_rounded_before_and_after_the_product(quirks):
    times = quirks.inputs["timesteps_f32"]
    rounded = scaled_time(times, torch.bfloat16, rounded=True)
    assert torch.equal(rounded, quirks.outputs["timesteps_bf16_x1000"])
    # 0.0123 -> 0.01227 -> 12.27 -> 12.25 or 12.3125; 0.3333 -> 0.333984 -> 333.98 -> 334
    assert scaled_time(torch.tensor([0.0123, 0.3333]), torch.bfloat16, rounded=True).tolist() == [12.3125, 334.0]
    precise = scaled_time(torch.tensor([0.0123], dtype=torch.float32), torch.bfloat16, rounded=False)
    assert precise.item() == pytest.approx(12.3, abs=1e-5)


def test_time_features_equal_golden(quirks):
    times = quirks.inputs["timesteps_f32"]
    # One unit in the last place of a frequency near 0.4 moves an angle of 400 by 3e-5.
    for scaled, name in (
        (times * 1000, "time_features_f32"),
        (scaled_time(times, torch.bfloat16, rounded=True), "time_features_from_bf16_t"),
    ):
        assert (sinusoid(scaled) - quirks.outputs[name]).abs().max() < 1e-5


def test_time_features_closed_form():
    features = sinusoid(torch.tensor([2.0]))[0]
    assert features.dtype == torch.float32
    for j in (0, 1, 64, 127):
        angle = 2 * 10000 ** (-j / 128)
        assert features[j].item() == pytest.approx(math.cos(angle), abs=1e-6)
        assert features[128 + j].item() == pytest.approx(math.sin(angle), abs=1e-6)


def test_number_of_visible_words_is_rounded_to_the_activations(quirks):
    lengths = quirks.inputs["mask_lengths"]
    mask = torch.arange(400) < lengths[:, None]
    seen = visible_words(mask.long(), torch.bfloat16, upstream=True).sum(dim=1)
    assert torch.equal(seen.int(), quirks.outputs["kv_len_bf16"])
    assert torch.equal(visible_words(mask.long(), torch.bfloat16, upstream=False), mask)
    assert torch.equal(visible_words(mask.long(), torch.float32, upstream=True), mask)


@pytest.mark.parametrize(("valid", "seen"), [(256, 256), (257, 256), (259, 260), (297, 296), (397, 396)])
def test_long_prompts_lose_or_gain_a_word(valid, seen):
    mask = (torch.arange(400) < valid).long()[None]
    assert visible_words(mask, torch.bfloat16, upstream=True).sum() == seen


def test_only_the_number_of_ones_counts_upstream():
    mask = torch.tensor([[0, 1, 0, 1]])
    assert visible_words(mask, torch.float32, upstream=True).tolist() == [[True, True, False, False]]
    assert visible_words(mask, torch.float32, upstream=False).tolist() == [[False, True, False, True]]


@pytest.mark.parametrize(("dtype", "name", "limit"), [(torch.float32, "f32", 1e-5), (torch.bfloat16, "bf16", 0.0)])
def test_rope_equals_golden(quirks, dtype, name, limit):
    q = quirks.inputs["q"].to(dtype).transpose(1, 2)
    tables = rope_tables(tuple(quirks.info["fhw"]), SPLIT, angle_dtype=dtype)
    turned = rotate(q, tables, SPLIT).transpose(1, 2)
    assert turned.dtype == dtype
    assert (turned - quirks.outputs[f"rope_{name}"]).abs().max() <= limit


def test_rope_angles_are_rounded_before_cosine_and_sine():
    # Position 259 along x: the angle of the first pair is 259 rad, in bfloat16 260 rad.
    grid, first_x_pair = (1, 1, 260), 32 + 16
    rounded, _ = rope_tables(grid, SPLIT, angle_dtype=torch.bfloat16)
    exact, _ = rope_tables(grid, SPLIT)
    assert rounded[259, first_x_pair].item() == pytest.approx(math.cos(260), abs=2**-8)
    assert exact[259, first_x_pair].item() == pytest.approx(math.cos(259), abs=1e-4)


def test_rope_leaves_lengths_alone_and_depends_on_distance_only():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 128, generator=generator)
    tables = rope_tables((4, 3, 5), SPLIT)
    tokens = 4 * 3 * 5
    turned_q, turned_k = (rotate(x.expand(1, 1, tokens, 128), tables, SPLIT)[0, 0] for x in (q, k))
    torch.testing.assert_close(turned_q.norm(dim=1), q.norm().expand(tokens))
    scores = (turned_q @ turned_k.T).reshape(4, 3, 5, 4, 3, 5)
    torch.testing.assert_close(scores[0, 1, 3, 1, 1, 1], scores[2, 0, 4, 3, 0, 2])  # both one back in t, two on in x


@pytest.mark.parametrize(("dtype", "name", "limit"), [(torch.float32, "f32", 1e-5), (torch.bfloat16, "bf16", 0.0)])
def test_rms_norm_equals_golden(quirks, dtype, name, limit):
    norm = RMSNorm(128, quirks.info["rms_eps"]).to(dtype)
    norm.load_state_dict({"weight": quirks.weights["rms_weight"]})
    with torch.no_grad():
        normed = norm(quirks.inputs["q"].to(dtype))
    assert normed.dtype == dtype
    assert (normed - quirks.outputs[f"rms_{name}"]).abs().max() <= limit


def test_rms_norm_rounds_before_the_weight_only_upstream():
    # One rounding less brings the result closer to the float64 value, on average over many values.
    values = torch.linspace(-3, 3, 128).bfloat16().expand(4, 128)
    weight = {"weight": torch.linspace(0.5, 1.5, 128)}
    outputs = []
    for round_first in (True, False):
        norm = RMSNorm(128, 1e-6, round_first=round_first).bfloat16()
        norm.load_state_dict(weight)
        outputs.append(norm(values).detach())
    exact = values.double() * (values.double().square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    exact = exact * norm.weight.detach().double()
    upstream, precise = ((output.double() - exact).abs().mean() for output in outputs)
    assert not torch.equal(*outputs)
    assert precise < upstream


def test_the_transformer_uses_its_compat_setting(small_transformer, draw):
    """In bfloat16 `precise` is closer than `upstream` to the same weights in float32; in float32 both are equal."""
    inputs = {
        "hidden_states": draw(1, 6, 2, 16, 16),
        "timestep": torch.tensor([0.3337]),
        "encoder_hidden_states": draw(1, 310, 12, seed=1),
        "encoder_hidden_states_2": draw(1, 3, 8, seed=2),
        "encoder_attention_mask": (torch.arange(313) < 259).long()[None],
    }
    low = {name: value.bfloat16() if value.is_floating_point() else value for name, value in inputs.items()}
    low["timestep"] = inputs["timestep"]
    widened = {name: value.float() if value.is_floating_point() else value for name, value in low.items()}
    exact = small_transformer().bfloat16().float()(**widened)
    error = {}
    for compat in ("upstream", "precise"):
        torch.testing.assert_close(small_transformer(compat=compat).bfloat16().float()(**widened), exact)
        output = small_transformer(compat=compat).bfloat16()(**low)
        assert output.dtype == torch.bfloat16
        error[compat] = (output.float() - exact).norm().item()
    assert error["precise"] < error["upstream"]


@pytest.mark.parametrize(("compat", "dtype"), [("upstream", torch.bfloat16), ("precise", torch.float32)])
def test_every_block_gets_rope_and_norms_of_its_compat_setting(small_transformer, draw, compat, dtype):
    model = small_transformer(compat=compat).bfloat16()
    tables = []
    model.transformer_blocks[1].register_forward_pre_hook(lambda _block, args: tables.append(args[3]))
    states = draw(1, 3, 12, seed=1).bfloat16()
    model(draw(1, 2, 2, 3, 4).bfloat16(), torch.tensor([0.5]), states)
    assert [table.dtype for table in tables[0]] == [dtype, dtype]
    norms = [module for module in model.modules() if isinstance(module, RMSNorm)]
    assert len(norms) == 2 * 4
    assert all(norm.round_first == (compat == "upstream") for norm in norms)
