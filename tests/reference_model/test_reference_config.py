from __future__ import annotations

import json
import subprocess
import sys

import pytest

import reference_model
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.errors import ConfigError
from reference_model.presets import Preset, step_video_t2v, step_video_t2v_turbo, tiny


def test_importing_the_package_or_its_configs_does_not_import_torch():
    code = (
        "import sys, reference_model, reference_model.config; reference_model.tiny(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_export_resolves_and_others_do_not():
    for name in reference_model.__all__:
        assert getattr(reference_model, name) is not None
    assert dir(reference_model) == sorted(reference_model.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Transformer'"):
        reference_model.Transformer  # noqa: B018


def test_released_values():
    preset = step_video_t2v()
    assert preset.transformer.width == 6144
    assert preset.transformer.rope_ch_split == (64, 32, 32)
    assert preset.transformer.out_channels == 64
    assert preset.vae.encoder_widths == (128, 256, 512, 512)
    assert preset.vae.decoder_widths == (128, 256, 512, 512)
    assert preset.vae.patch_width == 2048
    assert preset.llm.head_dim == 128
    assert preset.llm.ffn_width == 16896
    assert preset.clip.max_prompt_tokens + preset.llm.max_prompt_tokens == 397
    assert (preset.sampling.num_steps, preset.sampling.guidance_scale, preset.sampling.time_shift) == (50, 9.0, 13.0)


def test_every_released_setting_is_a_default():
    preset = step_video_t2v()
    assert preset.vae.to_dict() == {
        "enc_ch": 32,
        "enc_ch_mult": (4, 8, 16, 16),
        "dec_ch": 128,
        "dec_ch_mult": (1, 2, 4, 4),
        "z_channels": 64,
        "groups": 32,
        "num_res_blocks": 2,
        "border_blend": "upstream",
    }
    assert preset.llm.to_dict() == {
        "hidden_size": 6144,
        "num_layers": 48,
        "num_attention_heads": 48,
        "num_attention_groups": 8,
        "kv_channels": 128,
        "ffn_hidden_size": 16896,
        "layernorm_epsilon": 1e-5,
        "padded_vocab_size": 65536,
        "alibi": "sqrt",
        "max_prompt_tokens": 320,
    }
    assert preset.clip.to_dict() == {
        "vocab_size": 47020,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "max_prompt_tokens": 77,
    }
    assert preset.sampling.to_dict() == {
        "num_steps": 50,
        "guidance_scale": 9.0,
        "time_shift": 13.0,
        "num_frames": 204,
        "height": 544,
        "width": 992,
        "fps": 25.0,
        "positive_magic": "超高清、HDR 视频、环境光、杜比全景声、画面稳定、流畅动作、"
        "逼真的细节、专业级构图、超现实主义、自然、生动、超细节、清晰。",
        "negative_magic": "画面暗、低分辨率、不良手、文本、缺少手指、多余的手指、"
        "裁剪、低质量、颗粒状、签名、水印、用户名、模糊。",
        "reverse": False,
        "solver": "euler",
        "num_train_timesteps": 1000,
        "dtype": "stored",
        "compat": "upstream",
    }


def test_turbo_differs_in_sampling_alone():
    full, turbo = step_video_t2v(), step_video_t2v_turbo()
    assert turbo.transformer == full.transformer
    assert turbo.vae == full.vae
    assert 10 <= turbo.sampling.num_steps <= 15
    assert (turbo.sampling.guidance_scale, turbo.sampling.time_shift) == (5.0, 17.0)


def test_tiny_has_the_sizes_it_was_measured_with():
    preset = tiny()
    assert preset.transformer.width == 128
    assert preset.transformer.num_layers == 6
    assert preset.vae.encoder_widths == (8, 16, 32, 64)
    assert preset.vae.decoder_widths == (16, 32, 64, 64)
    assert (preset.vae.z_channels, preset.vae.groups, preset.vae.num_res_blocks) == (16, 1, 1)


@pytest.mark.parametrize("preset", [step_video_t2v(), tiny()], ids=lambda preset: preset.name)
def test_configs_survive_json(preset):
    for cfg in (preset.transformer, preset.vae, preset.llm, preset.clip, preset.sampling):
        assert type(cfg).from_dict(json.loads(json.dumps(cfg.to_dict()))) == cfg
        assert hash(cfg) == hash(type(cfg).from_dict(cfg.to_dict()))


def test_released_transformer_config_file_is_understood():
    released = {
        "_class_name": "StepVideoModel",
        "_diffusers_version": "0.31.0",
        "attention_head_dim": 128,
        "attention_type": "parallel",
        "caption_channels": [6144, 1024],
        "dropout": 0.0,
        "in_channels": 64,
        "norm_elementwise_affine": False,
        "norm_eps": 1e-06,
        "norm_type": "ada_norm_single",
        "num_attention_heads": 48,
        "num_layers": 48,
        "out_channels": 64,
        "patch_size": 1,
        "use_additional_conditions": False,
    }
    assert TransformerConfig.from_dict(released) == step_video_t2v().transformer


def test_one_caption_width_means_no_clip():
    assert TransformerConfig(caption_channels=10).clip_channels is None
    assert TransformerConfig(caption_channels=[10]).clip_channels is None
    assert TransformerConfig(caption_channels=[10, 4]).clip_channels == 4
    assert TransformerConfig(caption_channels=10).llm_channels == 10


def test_feed_forward_width_is_rounded_up():
    assert StepLLMConfig(ffn_hidden_size=200).ffn_width == 256
    assert StepLLMConfig(ffn_hidden_size=257).ffn_width == 512


def test_unknown_keys_are_refused_with_a_suggestion_or_ignored_on_demand():
    with pytest.raises(ConfigError, match="no key 'num_layer'\n  hint: did you mean num_layers"):
        TransformerConfig.from_dict({"num_layer": 3})
    with pytest.raises(ConfigError, match="known keys: border_blend, dec_ch"):
        VAEConfig.from_dict({"qqq": 3})
    assert ClipConfig.from_dict({"qqq": 3}, ignore_unknown=True) == ClipConfig()
    with pytest.raises(ConfigError, match="did you mean num_steps"):
        SamplingConfig().changed(num_step=3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TransformerConfig(rope_ch_split=(64, 32, 16)), r"add up to attention_head_dim, got rope_ch_split="),
        (lambda: TransformerConfig(attention_head_dim=12), "three even numbers"),
        (lambda: TransformerConfig(rope_ch_split=(-64, 160, 32)), "three even numbers"),
        (lambda: TransformerConfig(num_layers="48"), "num_layers must be a whole number, got num_layers='48'"),
        (lambda: TransformerConfig(num_layers=48.0), "num_layers must be a whole number, got num_layers=48.0"),
        (lambda: TransformerConfig(num_layers=-1), "num_layers must not be negative"),
        (lambda: TransformerConfig(num_attention_heads=0), "num_attention_heads must be above 0"),
        (lambda: TransformerConfig(out_channels="64"), "out_channels must be a whole number, or None"),
        (lambda: TransformerConfig(rope_ch_split="abc"), "rope_ch_split must be whole numbers, or None"),
        (lambda: TransformerConfig(use_additional_conditions=1), "use_additional_conditions must be true or false"),
        (lambda: TransformerConfig(norm_eps=float("nan")), "norm_eps must be a number, got norm_eps=nan"),
        (lambda: TransformerConfig(caption_channels="64"), "caption_channels must be one or more whole numbers"),
        (lambda: TransformerConfig(caption_channels=()), "or of Step-LLM alone, above 0, got caption_channels="),
        (lambda: TransformerConfig(caption_channels=(8, 8, 8)), "or of Step-LLM alone, above 0, got caption_channels="),
        (lambda: TransformerConfig(caption_channels=0), "caption_channels must be above 0"),
        (lambda: TransformerConfig(compat="exact"), "'upstream' or 'precise', got compat='exact'"),
        (lambda: VAEConfig(groups=24), "groups must divide every width, got groups=24"),
        (lambda: VAEConfig(groups=0), "groups must be above 0"),
        (lambda: VAEConfig(enc_ch_mult="1248"), "enc_ch_mult must be whole numbers, got enc_ch_mult='1248'"),
        (lambda: VAEConfig(dec_ch_mult=(1, 2, 4, 0)), "dec_ch_mult must be above 0"),
        (lambda: VAEConfig(enc_ch_mult=(1, 2, 4)), "four encoder levels"),
        (lambda: VAEConfig(dec_ch_mult=(1, 2, 4)), "four decoder levels"),
        (lambda: VAEConfig(z_channels=96), "multiple of 32 times z_channels, got encoder_widths="),
        (lambda: VAEConfig(dec_ch_mult=(1, 2, 4, 3)), "multiple of 32 times z_channels, got decoder_widths="),
        (lambda: VAEConfig(border_blend="both"), "'simultaneous' or 'none', got border_blend='both'"),
        (lambda: StepLLMConfig(num_attention_groups=0), "num_attention_groups must be above 0"),
        (lambda: StepLLMConfig(hidden_size=50), "must divide hidden_size where kv_channels is not given"),
        (lambda: StepLLMConfig(num_layers=-1), "num_layers must not be negative"),
        (lambda: StepLLMConfig(kv_channels=-8), "kv_channels must be above 0"),
        (lambda: ClipConfig(num_attention_heads=3), "num_attention_heads must divide hidden_size"),
        (lambda: ClipConfig(pad_token_id=47020), "pad_token_id must be one of the tokens, got pad_token_id=47020"),
        (lambda: ClipConfig(num_hidden_layers=-1), "num_hidden_layers must not be negative"),
        (lambda: ClipConfig(max_prompt_tokens=1), "room for begin and end"),
        (lambda: SamplingConfig(guidance_scale=float("inf")), "guidance_scale must be finite"),
        (lambda: SamplingConfig(positive_magic=3), "positive_magic must be text, got positive_magic=3"),
        (lambda: StepLLMConfig(num_attention_groups=7), "must divide num_attention_heads"),
        (lambda: StepLLMConfig(alibi="square"), "got alibi='square'"),
        (lambda: StepLLMConfig(max_prompt_tokens=1), "room for begin and end"),
        (lambda: SamplingConfig(num_steps=0), "at least one step is needed, got num_steps=0"),
        (lambda: SamplingConfig(time_shift=0.0), "time_shift must be above 0"),
        (lambda: SamplingConfig(fps=0.0), "fps must be above 0"),
        (lambda: SamplingConfig(solver="heun"), "the only solver is 'euler'"),
        (lambda: SamplingConfig(num_train_timesteps=500), "must be 1000"),
        (lambda: SamplingConfig(compat="exact"), "got compat='exact'"),
    ],
)
def test_impossible_configs_name_the_rule_and_the_value(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_parts_of_a_preset_must_fit():
    parts = tiny()
    with pytest.raises(ConfigError, match=r"preset 'odd': transformer.in_channels and vae.z_channels must be equal"):
        Preset(
            name="odd",
            transformer=TransformerConfig(),
            vae=parts.vae,
            llm=parts.llm,
            clip=parts.clip,
            sampling=parts.sampling,
        )
