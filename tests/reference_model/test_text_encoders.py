"""Step-LLM and Hunyuan-CLIP against golden tensors, and what those do not cover."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from reference_model.config import ClipConfig, StepLLMConfig
from reference_model.errors import ConfigError
from reference_model.text.alibi import alibi_slopes, causal_bias
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM


@pytest.mark.parametrize("alibi", ["sqrt", "linear", "none"])
def test_step_llm_equals_golden(golden, distance, alibi):
    file = golden("step_llm")
    model = StepLLM(StepLLMConfig(**file.info["config"], alibi=alibi))
    model.load_state_dict(file.weights, strict=True)
    with torch.no_grad():
        states = model(file.inputs["input_ids"])
    assert distance(states, file.outputs[f"hidden_alibi_{alibi}"]) < 1e-5


def test_clip_equals_golden(golden, distance):
    file = golden("hunyuan_clip")
    model = HunyuanClip(ClipConfig(**file.info["config"]))
    model.load_state_dict({f"bert.{name}": tensor for name, tensor in file.weights.items()}, strict=True)
    with torch.no_grad():
        states = model(file.inputs["input_ids"], file.inputs["attention_mask"])
    assert distance(states, file.outputs["last_hidden_state"]) < 1e-5


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu"])
def test_clip_equals_the_bert_of_transformers(distance, activation):
    from transformers import BertConfig, BertModel

    sizes = {
        "vocab_size": 60,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "type_vocab_size": 3,
    }
    cfg = ClipConfig(**sizes, intermediate_size=40, max_position_embeddings=12, hidden_act=activation, pad_token_id=2)
    names = [field.name for field in fields(cfg) if field.name != "max_prompt_tokens"]
    theirs = BertModel(BertConfig(**{name: getattr(cfg, name) for name in names}), add_pooling_layer=False).eval()
    rng = torch.Generator().manual_seed(1)
    for parameter in theirs.parameters():
        parameter.data.normal_(std=0.3, generator=rng)
    ours = HunyuanClip(cfg)
    ours.bert.load_state_dict(theirs.state_dict(), strict=True)
    words = torch.randint(60, (3, 9), generator=rng)
    mask = (torch.arange(9) < torch.tensor([[9], [4], [1]])).long()
    with torch.no_grad():
        expected = theirs(input_ids=words, attention_mask=mask).last_hidden_state
        assert distance(ours(words, mask), expected) < 1e-6


def test_new_clip_weights_are_spread_as_those_of_bert():
    torch.manual_seed(0)
    clip = HunyuanClip(ClipConfig(vocab_size=99, hidden_size=64, num_hidden_layers=1, num_attention_heads=2))
    state = clip.bert.state_dict()
    assert float(state["encoder.layer.0.intermediate.dense.weight"].std()) == pytest.approx(0.02, rel=0.02)
    assert float(state["embeddings.word_embeddings.weight"][1:].std()) == pytest.approx(0.02, rel=0.05)
    assert not state["embeddings.word_embeddings.weight"][0].any()  # padding
    assert not any(state[name].any() for name in state if name.endswith("bias"))
    assert all((state[name] == 1).all() for name in state if name.endswith("LayerNorm.weight"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"hidden_size": 30},
            "num_attention_heads must divide hidden_size, got .*=16, hidden_size=30",
        ),
        ({"hidden_act": "mish"}, "hidden_act must be one of gelu, gelu_new, relu, silu, got hidden_act='mish'"),
    ],
)
def test_clip_configs_that_no_bert_has_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ClipConfig(**values)


def test_slopes_of_the_released_model():
    slopes = alibi_slopes(48).tolist()
    assert slopes[:32] == pytest.approx([2 ** (-k / 4) for k in range(1, 33)])
    assert slopes[32:] == pytest.approx([2 ** (-(2 * k - 1) / 8) for k in range(1, 17)])


def test_slopes_of_a_power_of_two():
    assert alibi_slopes(8).tolist() == pytest.approx([2.0**-k for k in range(1, 9)])


def test_bias_by_hand():
    slope = 2.0**-4  # the first of two heads
    root = causal_bias("sqrt", 2, 6)[0]
    assert root[5].tolist() == pytest.approx([-slope * distance**0.5 for distance in (5, 4, 3, 2, 1, 0)])
    assert causal_bias("linear", 2, 6)[0, 5].tolist() == pytest.approx([-slope * d for d in (5, 4, 3, 2, 1, 0)])
    assert causal_bias("none", 2, 6)[0, 5].tolist() == [0.0] * 6
    for kind in ("sqrt", "linear", "none"):
        assert torch.isinf(causal_bias(kind, 2, 6)[0, 2, 3:]).all()


@pytest.fixture
def small_llm():
    torch.manual_seed(0)
    cfg = StepLLMConfig(
        hidden_size=16,
        num_layers=2,
        num_attention_heads=4,
        num_attention_groups=2,
        ffn_hidden_size=32,
        padded_vocab_size=32,
    )
    return StepLLM(cfg)


def test_later_tokens_do_not_reach_earlier_ones(small_llm):
    ids = torch.tensor([[1, 7, 9, 2, 2, 2]])
    padded_otherwise = torch.tensor([[1, 7, 9, 2, 5, 6]])
    with torch.no_grad():
        assert torch.equal(small_llm(ids)[:, :4], small_llm(padded_otherwise)[:, :4])


def test_low_precision_attention_is_computed_in_float32(small_llm, draw):
    attention = small_llm.transformer.layers[0].attention.bfloat16()
    x, bias = draw(1, 200, 16).bfloat16(), causal_bias("sqrt", 4, 200)
    merged = []
    attention.wo.register_forward_pre_hook(lambda _module, args: merged.append(args[0]))
    with torch.no_grad():
        attention(x, bias)
        fused = attention.wqkv(x)[0].float()
    q = fused[:, :16].reshape(200, 4, 4).transpose(0, 1)
    k, v = fused[:, 16:].reshape(200, 2, 2, 4).permute(2, 1, 0, 3).repeat_interleave(2, dim=1)
    expected = ((q @ k.mT / 2 + bias).softmax(dim=-1) @ v).transpose(0, 1).reshape(200, 16).bfloat16()
    # Sums in another order may tip a rounding; attention in bfloat16 would change a good part of the numbers.
    assert (merged[0][0] == expected).float().mean() > 0.99


def test_step_llm_is_trainable(small_llm):
    small_llm(torch.tensor([[1, 7, 9, 2]])).square().sum().backward()
    assert all(parameter.grad is not None for parameter in small_llm.parameters())


def test_clip_ignores_its_own_padding_and_has_no_dropout():
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    clip = HunyuanClip(ClipConfig(**sizes, intermediate_size=16, max_position_embeddings=8)).train()
    mask = torch.tensor([[1, 1, 1, 0]])
    with torch.no_grad():
        first = clip(torch.tensor([[1, 5, 2, 0]]), mask)
        second = clip(torch.tensor([[1, 5, 2, 9]]), mask)
    assert torch.equal(first[:, :3], second[:, :3])
