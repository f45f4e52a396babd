"""Every number that shapes the model, as frozen configurations.

The keys are those of the released `config.json` files. Keys that no released file has are marked "ours".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reference_model.checked_config import CheckedConfig

Compat = Literal["upstream", "precise"]
"""`upstream` keeps the roundings of the released code, with which its weights were used; `precise` drops them."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(CheckedConfig):
    """Shape of the diffusion transformer. Defaults are the released values.

    Attributes:
        out_channels: None means the same as `in_channels`.
        patch_size: Spatial only; time is never patched.
        norm_eps: Of the caption norm and the output norm only; the norms inside the blocks have fixed values.
        norm_elementwise_affine: Of the same two norms.
        caption_channels: Widths (Step-LLM, CLIP); one int means that there is no CLIP branch.
        use_additional_conditions: Also embed resolution, number of latent frames and frame rate.
        rope_ch_split: Ours. Channels of a head that encode (t, y, x); None means (1/2, 1/4, 1/4) of the head.
        compat: Ours. See `Compat`.
        attention_type: Stored, not used: attention always is PyTorch's.
        dropout: Stored, not used.
        norm_type: Stored, not used.
        small_activations: Ours. Stored, not used: marks golden files whose variances are near the eps of the norms.
    """

    num_attention_heads: int = 48
    attention_head_dim: int = 128
    in_channels: int = 64
    out_channels: int | None = None
    num_layers: int = 48
    patch_size: int = 1
    norm_eps: float = 1e-6
    norm_elementwise_affine: bool = False
    caption_channels: int | Sequence[int] = (6144, 1024)
    use_additional_conditions: bool = False
    rope_ch_split: Sequence[int] | None = None
    compat: Compat = "upstream"
    attention_type: str = "parallel"
    dropout: float = 0.0
    norm_type: str = "ada_norm_single"
    small_activations: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("out_channels", self.in_channels if self.out_channels is None else self.out_channels)
        self._require_positive(
            "num_attention_heads", "attention_head_dim", "in_channels", "out_channels", "patch_size", "norm_eps"
        )
        self._require(self.num_layers >= 0, "num_layers must not be negative", "num_layers")
        self._set("rope_ch_split", self.rope_split)
        if not isinstance(self.caption_channels, int):
            widths = tuple(self.caption_channels)
            self._require(
                1 <= len(widths) <= 2 and min(widths) > 0,
                "caption_channels must be the widths of Step-LLM and CLIP, or of Step-LLM alone, above 0",
                "caption_channels",
            )
            self._set("caption_channels", widths[0] if len(widths) == 1 else widths)
        else:
            self._require_positive("caption_channels")
        split = self.rope_split
        self._require(
            len(split) == 3
            and sum(split) == self.attention_head_dim
            and not any(width < 0 or width % 2 for width in split),
            "rope_ch_split must be three even numbers that add up to attention_head_dim",
            "rope_ch_split",
            "attention_head_dim",
        )
        self._require(self.compat in ("upstream", "precise"), "compat must be 'upstream' or 'precise'", "compat")

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return self.num_attention_heads * self.attention_head_dim

    @property
    def rope_split(self) -> tuple[int, ...]:
        """`rope_ch_split` with its default resolved."""
        half = self.attention_head_dim // 2
        return tuple(self.rope_ch_split or (half, half // 2, half // 2))

    @property
    def llm_channels(self) -> int:
        """Width of the Step-LLM states that the model reads."""
        return self.caption_channels if isinstance(self.caption_channels, int) else self.caption_channels[0]

    @property
    def clip_channels(self) -> int | None:
        """Width of the CLIP states that the model reads, None without a CLIP branch."""
        return None if isinstance(self.caption_channels, int) else self.caption_channels[1]


@dataclass(frozen=True, kw_only=True)
class VAEConfig(CheckedConfig):
    """Shape of the Video-VAE. The released file has no config; all keys are ours, and the defaults are its values.

    Attributes:
        enc_ch: Base width of the encoder; level i has `enc_ch * enc_ch_mult[i]` channels, from full to low resolution.
        dec_ch: Base width of the decoder, likewise.
        z_channels: Latent channels.
        groups: Groups of every group norm.
        num_res_blocks: Residual blocks per encoder level; a decoder level has one more.
        border_blend: How the two frames at a border between independently decoded chunks are mixed: `upstream` (the
            second one first, then the first one with the result), `simultaneous` (both from the originals), `none`.
    """

    enc_ch: int = 32
    enc_ch_mult: Sequence[int] = (4, 8, 16, 16)
    dec_ch: int = 128
    dec_ch_mult: Sequence[int] = (1, 2, 4, 4)
    z_channels: int = 64
    groups: int = 32
    num_res_blocks: int = 2
    border_blend: Literal["upstream", "simultaneous", "none"] = "upstream"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("enc_ch", "dec_ch", "z_channels", "groups", "num_res_blocks")
        self._set("enc_ch_mult", tuple(self.enc_ch_mult))
        self._set("dec_ch_mult", tuple(self.dec_ch_mult))
        for side, name in (("encoder", "enc_ch_mult"), ("decoder", "dec_ch_mult")):
            factors = getattr(self, name)
            self._require(len(factors) == 4, f"there are four {side} levels", name)
            self._require(min(factors) > 0, f"{name} must be above 0", name)
        widths = (self.enc_ch, *self.encoder_widths, *self.decoder_widths)
        self._require(
            all(width % self.groups == 0 for width in widths),
            "groups must divide every width",
            "groups",
            "encoder_widths",
            "decoder_widths",
        )
        for side in ("encoder_widths", "decoder_widths"):
            self._require(
                getattr(self, side)[-1] * 8 % self.patch_width == 0,
                "8 times the last width must be a multiple of 32 times z_channels",
                side,
                "z_channels",
            )
        self._require(
            self.border_blend in ("upstream", "simultaneous", "none"),
            "border_blend must be 'upstream', 'simultaneous' or 'none'",
            "border_blend",
        )

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Channels of the encoder's levels, from full to low resolution."""
        return tuple(self.enc_ch * factor for factor in self.enc_ch_mult)

    @property
    def decoder_widths(self) -> tuple[int, ...]:
        """Channels of the decoder's levels, from full to low resolution."""
        return tuple(self.dec_ch * factor for factor in self.dec_ch_mult)

    @property
    def patch_width(self) -> int:
        """Channels between the 2x2x2 folding and the convolution next to the latents."""
        return 32 * self.z_channels


@dataclass(frozen=True, kw_only=True)
class StepLLMConfig(CheckedConfig):
    """Shape of the language model that reads prompts. Defaults are the released values.

    Attributes:
        num_attention_groups: Key and value heads, each shared by consecutive query heads.
        kv_channels: Width of a head; None means `hidden_size / num_attention_heads`.
        ffn_hidden_size: Rounded up to a multiple of 256 (`ffn_width`).
        alibi: Ours. Position bias of the attention: `sqrt`, `linear` or `none`.
        max_prompt_tokens: Ours. Tokens that a prompt is cut or padded to.
    """

    hidden_size: int = 6144
    num_layers: int = 48
    num_attention_heads: int = 48
    num_attention_groups: int = 8
    kv_channels: int | None = None
    ffn_hidden_size: int = 16896
    layernorm_epsilon: float = 1e-5
    padded_vocab_size: int = 65536
    alibi: Literal["sqrt", "linear", "none"] = "sqrt"
    max_prompt_tokens: int = 320

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive(
            "hidden_size",
            "num_attention_heads",
            "num_attention_groups",
            "ffn_hidden_size",
            "layernorm_epsilon",
            "padded_vocab_size",
        )
        self._require(self.num_layers >= 0, "num_layers must not be negative", "num_layers")
        if self.kv_channels is None:
            self._require(
                self.hidden_size % self.num_attention_heads == 0,
                "num_attention_heads must divide hidden_size where kv_channels is not given",
                "num_attention_heads",
                "hidden_size",
            )
        self._set("kv_channels", self.head_dim)
        self._require_positive("kv_channels")
        self._require(
            self.num_attention_heads % self.num_attention_groups == 0,
            "num_attention_groups must divide num_attention_heads",
            "num_attention_groups",
            "num_attention_heads",
        )
        self._require(self.alibi in ("sqrt", "linear", "none"), "alibi must be 'sqrt', 'linear' or 'none'", "alibi")
        self._require(self.max_prompt_tokens >= 2, "a prompt needs room for begin and end", "max_prompt_tokens")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.kv_channels or self.hidden_size // self.num_attention_heads

    @property
    def ffn_width(self) -> int:
        """Width inside the feed-forward layers."""
        return -(-self.ffn_hidden_size // 256) * 256


@dataclass(frozen=True, kw_only=True)
class ClipConfig(CheckedConfig):
    """Shape of the text tower of Hunyuan-CLIP, a plain BERT. Defaults are the released values.

    Attributes:
        max_prompt_tokens: Ours. Tokens that a prompt is cut or padded to.
    """

    vocab_size: int = 47020
    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    intermediate_size: int = 4096
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    max_prompt_tokens: int = 77

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive(
            "vocab_size",
            "hidden_size",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
            "layer_norm_eps",
        )
        self._require(self.num_hidden_layers >= 0, "num_hidden_layers must not be negative", "num_hidden_layers")
        self._require(
            self.hidden_size % self.num_attention_heads == 0,
            "num_attention_heads must divide hidden_size",
            "num_attention_heads",
            "hidden_size",
        )
        self._require(self.max_prompt_tokens >= 2, "a prompt needs room for begin and end", "max_prompt_tokens")
        self._require(
            0 <= self.pad_token_id < self.vocab_size,
            "pad_token_id must be one of the tokens",
            "pad_token_id",
            "vocab_size",
        )
        known = ("gelu", "gelu_new", "relu", "silu")
        self._require(self.hidden_act in known, f"hidden_act must be one of {', '.join(known)}", "hidden_act")


POSITIVE_MAGIC = (
    "超高清、HDR 视频、环境光、杜比全景声、画面稳定、流畅动作、逼真的细节、"
    "专业级构图、超现实主义、自然、生动、超细节、清晰。"
)
NEGATIVE_MAGIC = (
    "画面暗、低分辨率、不良手、文本、缺少手指、多余的手指、裁剪、低质量、颗粒状、签名、水印、用户名、模糊。"
)


WEIGHT_DTYPES = ("stored", "float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig(CheckedConfig):
    """How clips are sampled. All keys but `reverse`, `solver` and `num_train_timesteps` are ours.

    Attributes:
        num_steps: Euler steps.
        guidance_scale: Classifier-free guidance; off when <= 1.
        time_shift: Above 1, more of the steps are spent near pure noise.
        num_frames: 1 or a multiple of 17.
        height: Pixels.
        width: Pixels.
        fps: Frame rate that the clip is meant to be played at.
        positive_magic: Appended to every prompt, without a separator.
        negative_magic: The negative prompt unless another one is given.
        reverse: Schedule from 1 (noise) to 0 instead of 0 (noise) to 1.
        solver: Only `euler` exists.
        num_train_timesteps: Only 1000 exists: the transformer itself multiplies times by it.
        dtype: What weights are computed in, one of `WEIGHT_DTYPES`; `stored` is what their files hold. A model that is
            kept in float16 for its size alone asks for float32: CPUs without float16 units need minutes for a second's
            work.
        compat: See `Compat`.
    """

    num_steps: int = 50
    guidance_scale: float = 9.0
    time_shift: float = 13.0
    num_frames: int = 204
    height: int = 544
    width: int = 992
    fps: float = 25.0
    positive_magic: str = POSITIVE_MAGIC
    negative_magic: str = NEGATIVE_MAGIC
    reverse: bool = False
    solver: str = "euler"
    num_train_timesteps: int = 1000
    dtype: str = "stored"
    compat: Compat = "upstream"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.num_steps >= 1, "at least one step is needed", "num_steps")
        for name in ("guidance_scale", "time_shift", "fps"):
            self._require(math.isfinite(getattr(self, name)), f"{name} must be finite", name)
        self._require_positive("time_shift", "fps")
        self._require(self.solver == "euler", "the only solver is 'euler'", "solver")
        self._require(self.num_train_timesteps == 1000, "num_train_timesteps must be 1000", "num_train_timesteps")
        self._require(self.dtype in WEIGHT_DTYPES, f"dtype must be one of {', '.join(WEIGHT_DTYPES)}", "dtype")
        self._require(self.compat in ("upstream", "precise"), "compat must be 'upstream' or 'precise'", "compat")

    def changed(self, **changes: Any) -> SamplingConfig:
        """A copy with some values replaced; unknown names raise `ConfigError` with a suggestion."""
        return SamplingConfig.from_dict({**self.to_dict(), **changes})
