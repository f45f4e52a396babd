"""Step-Video's equations as a first reading would write them down: the baseline of `benchmarks/step_video.py`.

One sample after the other, attention with its scores stored and an explicit softmax, and all chunks of the VAE at once.
Weights are state dicts of the reference model, so both compute the same numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from reference_model.config import TransformerConfig, VAEConfig

Weights = dict[str, Tensor]


def velocity(
    w: Weights, cfg: TransformerConfig, latents: Tensor, times: Tensor, llm: Tensor, clip: Tensor, mask: Tensor
) -> Tensor:
    """The transformer, float32, patch size 1, with a CLIP branch. Arguments as `StepVideoTransformer` takes them."""
    samples = zip(latents, times, llm, clip, mask, strict=True)
    return torch.stack([_velocity_of_one(w, cfg, *sample) for sample in samples])


def _velocity_of_one(
    w: Weights, cfg: TransformerConfig, latents: Tensor, time: Tensor, llm: Tensor, clip: Tensor, mask: Tensor
) -> Tensor:
    frames, _, height, width = latents.shape
    x = F.conv2d(latents, w["pos_embed.proj.weight"], w["pos_embed.proj.bias"])
    x = x.permute(0, 2, 3, 1).reshape(frames * height * width, cfg.width)

    frequencies = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float64) / 128).float()
    angles = 1000 * time * frequencies
    e = _linear(w, "adaln_single.emb.timestep_embedder.linear_1", torch.cat([angles.cos(), angles.sin()]))
    e = _linear(w, "adaln_single.emb.timestep_embedder.linear_2", F.silu(e))
    modulation = _linear(w, "adaln_single.linear", F.silu(e)).reshape(6, cfg.width)

    text = F.gelu(
        _linear(w, "caption_projection.linear_1", F.layer_norm(llm, llm.shape[-1:], eps=1e-6)), approximate="tanh"
    )
    text = torch.cat([_linear(w, "clip_projection", clip), _linear(w, "caption_projection.linear_2", text)])
    text = text[: int(mask.sum())]

    for index in range(cfg.num_layers):
        block = {name.split(".", 2)[2]: p for name, p in w.items() if name.startswith(f"transformer_blocks.{index}.")}
        x = _block(block, cfg, x, text, modulation, (frames, height, width))
    shift, scale = w["scale_shift_table"] + e
    x = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift
    return _linear(w, "proj_out", x).reshape(frames, height, width, -1).permute(0, 3, 1, 2)


def _block(
    w: Weights, cfg: TransformerConfig, x: Tensor, text: Tensor, modulation: Tensor, grid: tuple[int, int, int]
) -> Tensor:
    heads, d, width = cfg.num_attention_heads, cfg.attention_head_dim, cfg.width
    shift1, scale1, gate1, shift2, scale2, gate2 = w["scale_shift_table"] + modulation

    normed = F.layer_norm(x, (width,), w["norm1.weight"], w["norm1.bias"]) * (1 + scale1) + shift1
    qkv = (normed @ w["attn1.wqkv.weight"].T).reshape(-1, heads, 3 * d).transpose(0, 1)
    q = _rope(_rms(qkv[..., :d], w["attn1.q_norm.weight"]), grid, cfg.rope_split)
    k = _rope(_rms(qkv[..., d : 2 * d], w["attn1.k_norm.weight"]), grid, cfg.rope_split)
    seen = _attention(q, k, qkv[..., 2 * d :]).transpose(0, 1).reshape(-1, width)
    x = x + gate1 * (seen @ w["attn1.wo.weight"].T)

    q = _rms((x @ w["attn2.wq.weight"].T).reshape(-1, heads, d).transpose(0, 1), w["attn2.q_norm.weight"])
    kv = (text @ w["attn2.wkv.weight"].T).reshape(-1, heads, 2 * d).transpose(0, 1)
    seen = _attention(q, _rms(kv[..., :d], w["attn2.k_norm.weight"]), kv[..., d:])
    x = x + seen.transpose(0, 1).reshape(-1, width) @ w["attn2.wo.weight"].T

    normed = F.layer_norm(x, (width,), w["norm2.weight"], w["norm2.bias"]) * (1 + scale2) + shift2
    inner = F.gelu(normed @ w["ff.net.0.proj.weight"].T, approximate="tanh")
    return x + gate2 * (inner @ w["ff.net.2.weight"].T)


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _rms(x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt((x**2).mean(-1, keepdim=True) + 1e-6) * weight


def _attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1) @ v


def _rope(x: Tensor, grid: tuple[int, int, int], split: tuple[int, ...]) -> Tensor:
    positions = torch.cartesian_prod(*[torch.arange(size) for size in grid]).float()
    turned, start = [], 0
    for axis, width in enumerate(split):
        angle = positions[:, axis, None] / 10000.0 ** (torch.arange(0, width, 2) / width)
        u, v = x[..., start : start + width // 2], x[..., start + width // 2 : start + width]
        turned += [u * angle.cos() - v * angle.sin(), v * angle.cos() + u * angle.sin()]
        start += width
    return torch.cat(turned, dim=-1)


def decode(w: Weights, cfg: VAEConfig, latents: Tensor) -> Tensor:
    """(1, 3n, z, h, w) to (1, 17n, 3, 16h, 16w): all chunks in one batch, then the borders blended one by one."""
    z = latents[0].unflatten(0, (-1, 3)).transpose(1, 2)
    x = _conv(w, "decoder.conv_in.conv", z) + _unfold(z.repeat_interleave(cfg.patch_width // cfg.z_channels, 1), 1)
    folded = _conv(w, "decoder.conv_unpatchify.conv.conv", x)
    x = _unfold(folded, 2) + _unfold(x.repeat_interleave(folded.shape[1] // x.shape[1], 1), 2)
    x = _middle(w, "decoder.mid", x, cfg.groups)
    for level in (3, 2, 1, 0):
        for index in range(cfg.num_res_blocks + 1):
            x = _res_block(w, f"decoder.up.{level}.block.{index}", x, cfg.groups)
        if level >= 2:
            name = f"decoder.up.{level}.upsample.conv3d"
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
            hidden = F.silu(_norm(w, f"{name}.norm1", _conv(w, f"{name}.conv1.conv", x), cfg.groups))
            x = F.silu(_norm(w, f"{name}.norm2", _conv(w, f"{name}.conv2.conv", hidden), cfg.groups) + x) + x
        elif level == 1:
            x = x.repeat_interleave(2, 3).repeat_interleave(2, 4)
            x = _by_frame(x, lambda images: _conv2d(w, "decoder.up.1.upsample.conv", images, padding=1))
    x = _conv(w, "decoder.conv_out", F.silu(_norm(w, "decoder.norm_out", x, cfg.groups)))[:, :, 3:]
    clip = x.transpose(1, 2).flatten(0, 1)
    for border in range(17, len(clip), 17):
        clip[border] = 0.6 * clip[border] + 0.4 * clip[border - 1]
        clip[border - 1] = 0.6 * clip[border - 1] + 0.4 * clip[border]
    return clip[None]


def encode(w: Weights, cfg: VAEConfig, clip: Tensor) -> Tensor:
    """(1, 17n, 3, h, w) to the means of the latents (1, 3n, z, h / 16, w / 16): all chunks in one batch."""
    x = _conv(w, "encoder.conv_in.conv", clip[0].unflatten(0, (-1, 17)).transpose(1, 2))
    for level in range(4):
        for index in range(cfg.num_res_blocks):
            x = _res_block(w, f"encoder.down.{level}.block.{index}", x, cfg.groups)
        if level == 0:
            x = _by_frame(x, lambda f: _conv2d(w, "encoder.down.0.downsample.conv", F.pad(f, (0, 1, 0, 1)), stride=2))
        elif level < 3:
            x = _conv(w, f"encoder.down.{level}.downsample.conv.conv", x, stride=2)
    x = F.silu(_norm(w, "encoder.norm_out", _middle(w, "encoder.mid", x, cfg.groups), cfg.groups))
    x = _fold(_conv(w, "encoder.conv_patchify.conv.conv", x)) + _averaged(_fold(x), cfg.patch_width)
    x = _conv(w, "encoder.conv_out.conv", x) + _averaged(x, 2 * cfg.z_channels)
    return x[:, : cfg.z_channels].transpose(1, 2).flatten(0, 1)[None]


def _conv(w: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = w[f"{name}.weight"]
    side = weight.shape[-1] // 2
    x = F.pad(x, (side, side, side, side, weight.shape[2] - 1, 0))
    return F.conv3d(x, weight, w[f"{name}.bias"], stride=stride)


def _conv2d(w: Weights, name: str, images: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(images, w[f"{name}.weight"], w[f"{name}.bias"], stride=stride, padding=padding)


def _by_frame(x: Tensor, call) -> Tensor:
    return call(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(x), -1)).transpose(1, 2)


def _norm(w: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    return _by_frame(x, lambda frames: F.group_norm(frames, groups, w[f"{name}.weight"], w[f"{name}.bias"], 1e-5))


def _res_block(w: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    hidden = _conv(w, f"{name}.conv1.conv", F.silu(_norm(w, f"{name}.norm1", x, groups)))
    hidden = _conv(w, f"{name}.conv2.conv", F.silu(_norm(w, f"{name}.norm2", hidden, groups)))
    shortcut = f"{name}.nin_shortcut.conv"
    return hidden + (_conv(w, shortcut, x) if f"{shortcut}.weight" in w else x)


def _middle(w: Weights, name: str, x: Tensor, groups: int) -> Tensor:
    x = _res_block(w, f"{name}.block_1", x, groups)
    normed = _norm(w, f"{name}.attn_1.norm", x, groups)
    q, k, v = (_conv(w, f"{name}.attn_1.{part}.conv", normed).flatten(2).transpose(1, 2) for part in "qkv")
    count = q.shape[1]
    seen = _attention(q, k, v, torch.ones(count, count).tril().bool())
    x = x + _conv(w, f"{name}.attn_1.proj_out.conv", seen.transpose(1, 2).reshape(x.shape))
    return _res_block(w, f"{name}.block_2", x, groups)


def _fold(x: Tensor) -> Tensor:
    x = F.pad(x, (0, 0, 0, 0, 1, 0))
    b, c, t, h, w = x.shape
    x = x.reshape(b, c, t // 2, 2, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(b, 8 * c, t // 2, h // 2, w // 2)


def _unfold(x: Tensor, f: int) -> Tensor:
    b, c, t, h, w = x.shape
    x = x.reshape(b, c // f**3, f, f, f, t, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(b, c // f**3, t * f, h * f, w * f)[:, :, f - 1 :]


def _averaged(x: Tensor, channels: int) -> Tensor:
    return x.unflatten(1, (channels, -1)).mean(2)
