"""Parameters and floating-point operations of every part, from its config alone and by formula, without torch.

A multiplication and an addition are two operations. Only matrix products, convolutions and attention count; norms,
activations and sums are below 1 % of the released model. Causal attention counts in full, masked half included, as
kernels that do not skip it compute it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from reference_model.config import ClipConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.vae.lengths import FRAMES_PER_CHUNK, LATENT_FRAMES_PER_CHUNK

SINUSOID_WIDTH = 256


@dataclass(frozen=True)
class Layer:
    """A linear layer or convolution, or bare parameters where `positions` is 0.

    Attributes:
        kind: What it belongs to: `self-attention`, `mlp`, `conv` ...
        weights: Numbers in its weight; each takes part in one product per position.
        positions: Rows, voxels or tokens that it maps in one pass.
        others: Parameters that take part in no product: biases, norms, tables, embeddings.
        scores: Products of attention scores and values, counted as query-key pairs times width.
    """

    kind: str
    weights: int = 0
    positions: int = 0
    others: int = 0
    scores: int = 0

    @property
    def flops(self) -> int:
        """Operations of one pass."""
        return 2 * self.weights * self.positions + 4 * self.scores


@dataclass(frozen=True)
class Cost:
    """Sums over the layers of a model.

    Attributes:
        parameters: Of the whole model.
        flops: Operations of one pass.
        flops_by_kind: The same by `Layer.kind`.
    """

    parameters: int
    flops: int
    flops_by_kind: dict[str, int]


def total(layers: Iterable[Layer]) -> Cost:
    """Adds layers up."""
    listed = list(layers)
    by_kind: dict[str, int] = {}
    for layer in listed:
        if layer.flops:
            by_kind[layer.kind] = by_kind.get(layer.kind, 0) + layer.flops
    return Cost(sum(layer.weights + layer.others for layer in listed), sum(by_kind.values()), by_kind)


def transformer_block(cfg: TransformerConfig, tokens: int, words: int) -> list[Layer]:
    """One block for one sample of `tokens` video tokens and `words` visible words of text."""
    d, norms = cfg.width, 2 * cfg.attention_head_dim
    return [
        Layer("qkv", 3 * d * d, tokens),
        Layer("self-attention", 0, 0, norms, tokens * tokens * d),
        Layer("self-attention output", d * d, tokens),
        Layer("cross-attention", d * d, tokens),
        Layer("cross-attention", 2 * d * d, words, norms, tokens * words * d),
        Layer("cross-attention", d * d, tokens),
        Layer("mlp", 8 * d * d, tokens),
        Layer("tables and norms", others=6 * d + 2 * 2 * d),
    ]


def transformer(cfg: TransformerConfig, tokens: int, llm_words: int, clip_words: int) -> list[Layer]:
    """The whole transformer for one sample."""
    d, clip = cfg.width, cfg.clip_channels
    pixels = cfg.patch_size**2
    out = pixels * (cfg.out_channels or cfg.in_channels)
    words = llm_words + (0 if clip is None else clip_words)
    layers = [
        _linear("embeddings", pixels * cfg.in_channels, d, tokens),
        *_embedder(SINUSOID_WIDTH, d),
        _linear("embeddings", d, 6 * d, 1),
        _linear("embeddings", cfg.llm_channels, d, llm_words),
        _linear("embeddings", d, d, llm_words),
        _linear("embeddings", d, out, tokens),
        Layer("tables and norms", others=2 * d),
    ]
    if clip is not None:
        layers.append(_linear("embeddings", clip, d, clip_words))
    if cfg.use_additional_conditions:
        # Height and width share one embedder; frames and frame rate have their own.
        layers += [*_embedder(SINUSOID_WIDTH, d // 2, 2), *_embedder(SINUSOID_WIDTH, d), *_embedder(SINUSOID_WIDTH, d)]
    if cfg.norm_elementwise_affine:
        layers.append(Layer("tables and norms", others=2 * (cfg.llm_channels + d)))
    return layers + transformer_block(cfg, tokens, words) * cfg.num_layers


def vae_decoder(cfg: VAEConfig, latent_frames: int, height: int, width: int) -> list[Layer]:
    """The decoder for one chunk of at most three latent frames of `height` x `width` latents."""
    widths, top = cfg.decoder_widths, cfg.decoder_widths[-1]
    latents = latent_frames * height * width
    frames, area = 2 * latent_frames - 1, 4 * height * width
    layers = [_conv(cfg.z_channels, cfg.patch_width, latents), _conv(cfg.patch_width, 8 * top, latents)]
    layers += _middle(top, frames * area)
    channels = top
    for level in (3, 2, 1, 0):
        for _ in range(cfg.num_res_blocks + 1):
            layers += _res_block(channels, widths[level], frames * area)
            channels = widths[level]
        if level >= 2:
            frames, area = 2 * frames, 4 * area
            layers += [_conv(channels, channels, frames * area), _norm(channels)] * 2
        elif level == 1:
            area *= 4
            layers.append(_conv(channels, channels, frames * area, kernel=9))
    return [*layers, _norm(channels), _conv(channels, 3, frames * area)]


def vae_encoder(cfg: VAEConfig, frames: int, height: int, width: int) -> list[Layer]:
    """The encoder for one chunk of at most 17 frames of `height` x `width` pixels."""
    area, channels = height * width, cfg.enc_ch
    layers = [_conv(3, channels, frames * area)]
    for level, level_width in enumerate(cfg.encoder_widths):
        for _ in range(cfg.num_res_blocks):
            layers += _res_block(channels, level_width, frames * area)
            channels = level_width
        if level < 3:
            area //= 4
            frames = frames if level == 0 else (frames + 1) // 2
            layers.append(_conv(channels, channels, frames * area, kernel=9 if level == 0 else 27))
    layers += [*_middle(channels, frames * area), _norm(channels)]
    layers.append(_conv(channels, cfg.patch_width // 8, frames * area))
    return [*layers, _conv(cfg.patch_width, 2 * cfg.z_channels, (frames + 1) // 2 * area // 4)]


def vae_parameters(cfg: VAEConfig) -> int:
    """Of encoder and decoder."""
    return total(
        [*vae_encoder(cfg, FRAMES_PER_CHUNK, 16, 16), *vae_decoder(cfg, LATENT_FRAMES_PER_CHUNK, 1, 1)]
    ).parameters


def step_llm(cfg: StepLLMConfig) -> list[Layer]:
    """Step-LLM for one prompt, padded as it always is."""
    h, words = cfg.hidden_size, cfg.max_prompt_tokens
    queries, keys = cfg.num_attention_heads * cfg.head_dim, cfg.num_attention_groups * cfg.head_dim
    block = [
        Layer("attention", h * (queries + 2 * keys), words, h, words * words * queries),
        Layer("attention", queries * h, words),
        Layer("mlp", 3 * h * cfg.ffn_width, words, h),
    ]
    return [Layer("embeddings", others=cfg.padded_vocab_size * h), *block * cfg.num_layers]


def clip_text(cfg: ClipConfig) -> list[Layer]:
    """The text tower of Hunyuan-CLIP for one prompt, without the pooler that nothing reads."""
    h, words, inner = cfg.hidden_size, cfg.max_prompt_tokens, cfg.intermediate_size
    block = [
        *[_linear("attention", h, h, words)] * 4,
        Layer("attention", others=2 * h, scores=words * words * h),
        _linear("mlp", h, inner, words),
        _linear("mlp", inner, h, words),
        Layer("mlp", others=2 * h),
    ]
    rows = cfg.vocab_size + cfg.max_position_embeddings + cfg.type_vocab_size
    return [Layer("embeddings", others=rows * h + 2 * h), *block * cfg.num_hidden_layers]


def _linear(kind: str, inputs: int, outputs: int, positions: int) -> Layer:
    return Layer(kind, inputs * outputs, positions, outputs)


def _embedder(inputs: int, width: int, positions: int = 1) -> Iterator[Layer]:
    yield _linear("embeddings", inputs, width, positions)
    yield _linear("embeddings", width, width, positions)


def _conv(inputs: int, outputs: int, positions: int, *, kernel: int = 27) -> Layer:
    return Layer("conv", prod((inputs, outputs, kernel)), positions, outputs)


def _norm(channels: int) -> Layer:
    return Layer("norm", others=2 * channels)


def _res_block(inputs: int, outputs: int, positions: int) -> Iterator[Layer]:
    yield from (_norm(inputs), _conv(inputs, outputs, positions), _norm(outputs), _conv(outputs, outputs, positions))
    if inputs != outputs:
        yield _conv(inputs, outputs, positions, kernel=1)


def _middle(channels: int, positions: int) -> Iterator[Layer]:
    yield from _res_block(channels, channels, positions)
    yield _norm(channels)
    yield from [_conv(channels, channels, positions, kernel=1)] * 4
    yield Layer("attention", scores=positions * positions * channels)
    yield from _res_block(channels, channels, positions)
