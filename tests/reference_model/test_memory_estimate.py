"""Estimates against what PyTorch counts, against the released numbers of parameters, and against published figures."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from reference_model.config import ClipConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.errors import ShapeError
from reference_model.memory import costs
from reference_model.memory.activations import step_llm_bytes, transformer_bytes, vae_decoder_bytes
from reference_model.memory.estimate import PUBLISHED, estimate
from reference_model.memory.fp8 import quantise_blocks, weight_bytes
from reference_model.memory.live_bytes import LiveBytes
from reference_model.presets import step_video_t2v, step_video_t2v_turbo, tiny
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

DIT = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 3, "in_channels": 2}
SMALL_DITS = [
    TransformerConfig(**DIT, caption_channels=(12, 8)),
    TransformerConfig(**DIT, caption_channels=12, patch_size=2, out_channels=4, norm_elementwise_affine=True),
    TransformerConfig(**DIT, caption_channels=(12, 8), use_additional_conditions=True),
]
SMALL_VAES = [
    VAEConfig(enc_ch=2, enc_ch_mult=(2, 4, 8, 8), dec_ch=2, dec_ch_mult=(1, 2, 4, 4), z_channels=2, groups=2),
    VAEConfig(enc_ch=4, enc_ch_mult=(1, 2, 2, 4), dec_ch=4, dec_ch_mult=(2, 2, 8, 8), z_channels=2, groups=2),
    tiny().vae,
]
SMALL_LLM = StepLLMConfig(
    hidden_size=32,
    num_layers=2,
    num_attention_heads=4,
    num_attention_groups=2,
    kv_channels=16,
    ffn_hidden_size=300,
    padded_vocab_size=64,
    max_prompt_tokens=12,
)
SMALL_CLIP = ClipConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, vocab_size=30)


def counted(call):
    # Under this name the counter does not know convolutions.
    known = {torch.ops.aten.mkldnn_convolution: lambda x, w, *_, out_shape: conv_flop_count(x, w, out_shape)}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=known) as counter:
        call()
    return counter.get_total_flops()


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def dit_inputs(cfg, grid=(3, 4, 6), batch=1, words=(7, 5)):
    clip = None if cfg.clip_channels is None else torch.ones(batch, words[1], cfg.clip_channels)
    count = words[0] + (0 if clip is None else words[1])
    latents = torch.ones(batch, grid[0], cfg.in_channels, *grid[1:])
    mask, fps = torch.ones(batch, count, dtype=torch.long), torch.ones(batch)
    return latents, torch.ones(batch) / 2, torch.ones(batch, words[0], cfg.llm_channels), clip, mask, fps


@pytest.mark.parametrize("cfg", SMALL_DITS)
def test_transformer_costs_are_what_pytorch_counts(cfg):
    model = StepVideoTransformer(cfg)
    cost = costs.total(costs.transformer(cfg, 3 * 4 * 6 // cfg.patch_size**2, 7, 5))
    assert cost.parameters == parameters(model)
    assert cost.flops == pytest.approx(counted(lambda: model(*dit_inputs(cfg))), rel=0.01)
    assert sum(cost.flops_by_kind.values()) == cost.flops


@pytest.mark.parametrize("cfg", SMALL_VAES)
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_decoder_costs_are_what_pytorch_counts(cfg, frames):
    model = VideoVAE(cfg)
    latents = torch.ones(1, frames, cfg.z_channels, 2, 3)
    cost = costs.total(costs.vae_decoder(cfg, frames, 2, 3))
    assert cost.parameters == parameters(model.decoder)
    assert cost.flops == pytest.approx(counted(lambda: model.decode_chunk(latents)), rel=0.01)


@pytest.mark.parametrize("cfg", SMALL_VAES)
@pytest.mark.parametrize("frames", [1, 9, 17])
def test_encoder_costs_are_what_pytorch_counts(cfg, frames):
    model = VideoVAE(cfg)
    cost = costs.total(costs.vae_encoder(cfg, frames, 32, 48))
    assert cost.parameters == parameters(model.encoder)
    assert cost.flops == pytest.approx(counted(lambda: model.encode(torch.ones(1, frames, 3, 32, 48))), rel=0.01)
    assert costs.vae_parameters(cfg) == parameters(model)


def test_text_encoder_costs_are_what_pytorch_counts():
    llm, cost = StepLLM(SMALL_LLM), costs.total(costs.step_llm(SMALL_LLM))
    assert cost.parameters == parameters(llm)
    assert cost.flops == pytest.approx(counted(lambda: llm(torch.ones(1, 12, dtype=torch.long))), rel=0.01)
    clip, cost = HunyuanClip(SMALL_CLIP), costs.total(costs.clip_text(SMALL_CLIP))
    assert cost.parameters == parameters(clip)
    words = torch.ones(1, 77, dtype=torch.long)
    assert cost.flops == pytest.approx(counted(lambda: clip(words, words)), rel=0.01)


def test_released_parameters_to_the_last_one():
    released = estimate(step_video_t2v()).stages
    pooler = 1024 * 1024 + 1024
    assert released["denoise"].parameters == 29_342_478_400
    assert released["vae_decode"].parameters == 498_818_819
    assert released["text_encode"].parameters == 19_579_600_896 + 352_035_840 - pooler
    assert released["denoise"].weight_bytes == 58_684_956_800
    assert released["text_encode"].weight_bytes == 39_159_201_792 + 4 * (352_035_840 - pooler)
    assert costs.total(costs.transformer_block(step_video_t2v().transformer, 1, 1)).parameters == 604_041_728


def test_a_step_of_the_released_model_costs_what_its_size_says():
    # Per token and layer 14 D^2 weights (keys and values of the text are not per token), and attention to 75,888 tokens
    # and 397 words; twice with guidance.
    tokens, d, layers = 36 * 34 * 62, 6144, 48
    by_hand = 2 * layers * (2 * 14 * d * d * tokens + 4 * tokens * (tokens + 397) * d)
    assert estimate(step_video_t2v()).step_flops == pytest.approx(by_hand, rel=0.001)
    assert by_hand == pytest.approx(2.2e16, rel=0.05)


def no_scores(query, key, value, attn_mask=None, is_causal=False):
    """Stands in for a fused kernel, which the meta device has not."""
    return torch.empty_like(query)


def peak_of(build, inputs, dtype):
    with torch.device("meta"):
        model, arguments = build().to(dtype), inputs()
    with LiveBytes() as live, torch.no_grad():
        model(*arguments)
    return live.peak


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_transformer_memory_is_what_tensors_take(monkeypatch, dtype):
    monkeypatch.setattr(F, "scaled_dot_product_attention", no_scores)
    for cfg, grid, words in (
        (SMALL_DITS[0], (3, 8, 8), (10, 4)),
        (TransformerConfig(num_layers=2), (36, 34, 62), (320, 77)),
    ):

        def inputs(cfg=cfg, grid=grid, words=words):
            *tensors, mask, _ = dit_inputs(cfg, grid, 2, words)
            return *[tensor.to(dtype) for tensor in tensors], mask

        actual = peak_of(lambda cfg=cfg: StepVideoTransformer(cfg), inputs, dtype)
        tokens = grid[0] * grid[1] * grid[2]
        assert transformer_bytes(cfg, tokens, sum(words), 2, dtype.itemsize) == pytest.approx(actual, rel=0.02)


@pytest.mark.parametrize("cfg", [*SMALL_VAES[1:], VAEConfig()])
@pytest.mark.parametrize("frames", [1, 3])
def test_decoder_memory_is_what_tensors_take(monkeypatch, cfg, frames):
    monkeypatch.setattr(F, "scaled_dot_product_attention", no_scores)

    def decoder():
        return VideoVAE(cfg).decoder

    for dtype in (torch.bfloat16, torch.float32):
        actual = peak_of(
            decoder, lambda dtype=dtype: [torch.empty(1, cfg.z_channels, frames, 6, 8, dtype=dtype)], dtype
        )
        assert vae_decoder_bytes(cfg, frames, 6, 8, dtype.itemsize) == pytest.approx(actual, rel=0.02)


def test_text_memory_is_about_what_tensors_take(monkeypatch):
    monkeypatch.setattr(F, "scaled_dot_product_attention", no_scores)
    cfg = StepLLMConfig(num_layers=2)
    for dtype in (torch.bfloat16, torch.float32):
        actual = peak_of(lambda: StepLLM(cfg), lambda: [torch.zeros(1, 320, dtype=torch.long)], dtype)
        assert step_llm_bytes(cfg, dtype.itemsize) == pytest.approx(actual, rel=0.1)


@pytest.mark.parametrize(
    ("frames", "height", "width", "published"), [(204, 768, 768, 78.55), (204, 544, 992, 77.64), (136, 544, 992, 72.48)]
)
def test_peaks_are_near_the_published_ones(frames, height, width, published):
    released = step_video_t2v()
    size = released.sampling.changed(num_frames=frames, height=height, width=width)
    # The release keeps text encoders and VAE on another GPU, as offload keeps them in main memory.
    assert estimate(released, size).offloaded_peak_bytes / 1e9 == pytest.approx(published, rel=0.07)


def test_published_times_imply_possible_speeds():
    speeds = [published.implied_tflops for published in PUBLISHED]
    assert speeds == pytest.approx([359, 359, 344, 100, 89], rel=0.01)
    shares = [published.implied_utilisation for published in PUBLISHED]
    assert shares[:3] == [None] * 3
    assert shares[3:] == pytest.approx([0.68, 0.60], abs=0.01)


def test_settings_scale_the_estimate():
    released = step_video_t2v()
    base, turbo = estimate(released), estimate(step_video_t2v_turbo())
    assert turbo.step_flops == base.step_flops
    assert turbo.stages["denoise"].flops * 50 == base.stages["denoise"].flops * 15
    unguided = estimate(released, released.sampling.changed(guidance_scale=1.0))
    assert unguided.step_flops * 2 == base.step_flops
    assert unguided.stages["text_encode"].flops * 2 == base.stages["text_encode"].flops
    apart = estimate(released, batched_guidance=False)
    assert apart.flops == base.flops
    assert apart.offloaded_peak_bytes < base.offloaded_peak_bytes < base.peak_bytes
    longer = estimate(released, released.sampling.changed(num_frames=408)).stages["vae_decode"]
    assert longer.activation_bytes == base.stages["vae_decode"].activation_bytes
    assert longer.flops == 2 * base.stages["vae_decode"].flops
    assert base.seconds(500) == pytest.approx(base.flops / 5e14)


def test_bytes_by_dtype_and_fp8_are_those_of_the_modules():
    preset = tiny()
    whole = estimate(preset, dtypes=dict.fromkeys(("llm", "clip", "transformer", "vae"), "float32"))
    assert whole.stages["vae_decode"].weight_bytes == weight_bytes(VideoVAE(preset.vae))
    model = StepVideoTransformer(preset.transformer).bfloat16()
    assert estimate(preset).stages["denoise"].weight_bytes == weight_bytes(model)
    assert estimate(preset, fp8=True).stages["denoise"].weight_bytes == weight_bytes(quantise_blocks(model))


def test_sizes_that_no_clip_has_are_refused():
    with pytest.raises(ShapeError, match=r"num_frames must be 1 or a multiple of 17, got 16\n  hint: use 1 or 17"):
        estimate(tiny(), tiny().sampling.changed(num_frames=16))


def test_an_estimate_needs_no_torch():
    code = (
        "import sys; from reference_model.memory.estimate import estimate; from reference_model.presets import tiny\n"
        "assert estimate(tiny()).flops > 0 and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
