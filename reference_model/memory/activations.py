"""Bytes that tensors need at the peak of one pass, beside the weights: an estimate by formula, without torch.

They count the tensors that eager execution under `no_grad` keeps alive, and no workspace of kernels or fragmentation
of allocators, which add some percent on GPUs. Attention is taken to be fused: its scores are never stored.
"""

from __future__ import annotations

from reference_model.config import StepLLMConfig, TransformerConfig, VAEConfig


def transformer_bytes(cfg: TransformerConfig, tokens: int, words: int, batch: int, element: int) -> int:
    """Peak of a denoising step.

    Args:
        cfg: The transformer.
        tokens: Video tokens of a sample.
        words: Words of text of a sample.
        batch: Samples in one pass; batched guidance doubles it.
        element: Bytes of a number in the activations.
    """
    # Kept throughout: tokens as embedded, the block's input, the text, cosines and sines.
    stream = tokens * cfg.width * element
    text = words * cfg.width * element
    rope = tokens * cfg.attention_head_dim * element
    # Feed-forward: residual stream, modulated input, and four widths before and after GELU.
    feed_forward = 10 * stream
    # Self-attention: modulated input, q, k and v, rotated q, and k in its norm, which is in float32: twice, at times.
    attention = 5 * stream + 2 * tokens * cfg.width * 4
    return batch * (2 * stream + text + max(feed_forward, attention)) + rope


def vae_decoder_bytes(cfg: VAEConfig, latent_frames: int, height: int, width: int, element: int) -> int:
    """Peak of decoding one chunk of `latent_frames` (at most 3) frames of `height` x `width` latents.

    It is reached at one of the two highest resolutions: in a residual block (input, activation, the same with a
    margin of zeros, output, and the level's input), or in the upsampling between them.
    """
    frames = 4 * (2 * latent_frames - 1)
    widths = cfg.decoder_widths
    # A block after the first keeps its own input beside the level's.
    later = 4 if cfg.num_res_blocks else 3
    full, half = frames * 256 * height * width, frames * 64 * height * width
    candidates = [
        # 3D upsampling to half of the resolution: enlarged frames, two convolutions and a norm with their copies.
        half * (widths[2] * (5 + 1 / 8) + widths[3] / 8),
        # 2D upsampling: what entered the level, its output twice, and the enlarged frames before and after.
        full * (widths[1] * (2 + 2 / 4) + widths[2] / 4),
    ]
    for voxels, side, entering, inside in ((full, 16, widths[1], widths[0]), (half, 8, widths[2], widths[1])):
        padded = (frames + 2) * (side * height + 2) * (side * width + 2) / voxels
        candidates.append(voxels * max(entering * (2 + padded) + inside, entering + inside * (later + padded)))
    return round(element * max(candidates))


def step_llm_bytes(cfg: StepLLMConfig, element: int) -> int:
    """Peak of reading one prompt: in the feed-forward, or in attention, whose numbers are float32."""
    words, h = cfg.max_prompt_tokens, cfg.hidden_size
    queries, keys = cfg.num_attention_heads * cfg.head_dim, cfg.num_attention_groups * cfg.head_dim
    bias = cfg.num_attention_heads * words * words * 4
    feed_forward = words * (3 * h + 4 * cfg.ffn_width) * element
    attention = words * ((3 * h + 2 * queries + 2 * keys) * element + 2 * queries * element + 4 * queries * 4)
    return bias + max(feed_forward, attention)
