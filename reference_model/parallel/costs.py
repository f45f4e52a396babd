"""What every process computes, holds and receives, by formula: the cost of parallelism before any GPU is hired.

Numbers that a collective moves are counted as those that one process receives, with the algorithms that need the least:
a ring for all-reduce (2 (n - 1) / n of the tensor) and all-gather, pairs for all-to-all ((n - 1) / n).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reference_model.config import SamplingConfig, TransformerConfig
from reference_model.memory import costs
from reference_model.memory.estimate import ELEMENT_BYTES, RELEASED_DTYPES, Estimate, StageEstimate, estimate
from reference_model.parallel.config import ParallelConfig, text_degree
from reference_model.presets import Preset
from reference_model.sampling.sizes import latent_shape
from reference_model.vae.lengths import LATENT_FRAMES_PER_CHUNK, pixel_frames

REPLICATED_SHARE = 0.0177
"""Share of a step that does not shrink with the number of GPUs; the one constant that is fitted and not counted.

It is what the time of Ulysses on eight GPUs in xDiT's report leaves: kernels that get smaller, launches, waiting.
Tensor parallelism loses about the same there, although it sends twelve times as much.
"""


@dataclass(frozen=True, kw_only=True)
class StepShare:
    """One denoising step on one of several processes.

    Attributes:
        flops: Operations of this process.
        received: Bytes that it receives, by kind: `tensor`, `ulysses`, `ulysses output`, `guidance`.
    """

    flops: int
    received: Mapping[str, int]

    @property
    def received_bytes(self) -> int:
        """Of all kinds."""
        return sum(self.received.values())


@dataclass(frozen=True, kw_only=True)
class ParallelEstimate:
    """One clip on several devices, as seen from each of them.

    Attributes:
        stages: As in `Estimate`, but weights, activations and operations of one device.
        step: One denoising step.
        vae_received_bytes: Pixels of chunks that others decoded.
        num_steps: Of the clip.
        whole_step_flops: Operations of a step on one device.
    """

    stages: Mapping[str, StageEstimate]
    step: StepShare
    vae_received_bytes: int
    num_steps: int
    whole_step_flops: int

    @property
    def peak_bytes(self) -> int:
        """Of one device, with all its weights on it."""
        stages = self.stages.values()
        return sum(stage.weight_bytes for stage in stages) + max(stage.activation_bytes for stage in stages)

    def step_seconds(self, sustained_tflops: float, gigabytes_per_second: float) -> float:
        """One step: operations, then transfers, and the share that does not shrink.

        Args:
            sustained_tflops: Speed of one device in 10^12 operations per second.
            gigabytes_per_second: What one device can receive in 10^9 bytes per second. Transfers are taken to hide
                behind no computation.
        """
        whole = self.whole_step_flops / (sustained_tflops * 1e12)
        own = self.step.flops / (sustained_tflops * 1e12)
        return own + REPLICATED_SHARE * (whole - own) + self.step.received_bytes / (gigabytes_per_second * 1e9)

    def seconds(self, sustained_tflops: float, gigabytes_per_second: float) -> float:
        """One clip; loading is not counted."""
        others = sum(stage.flops for name, stage in self.stages.items() if name != "denoise")
        return (
            self.num_steps * self.step_seconds(sustained_tflops, gigabytes_per_second)
            + others / (sustained_tflops * 1e12)
            + self.vae_received_bytes / (gigabytes_per_second * 1e9)
        )


def step_share(
    cfg: TransformerConfig,
    grid: tuple[int, int, int],
    words: tuple[int, int],
    parallel: ParallelConfig,
    *,
    batch: int,
    element: int,
) -> StepShare:
    """One pass through the transformer on one of several processes.

    Args:
        cfg: The transformer.
        grid: Tokens along (t, y, x).
        words: Of Step-LLM and of CLIP.
        parallel: Degrees.
        batch: Samples of the pass, both texts of guidance counted.
        element: Bytes of a number in the activations.
    """
    degree, tensor, texts = parallel.ulysses, parallel.tensor, 2 if parallel.guidance else 1
    own_batch, tokens = batch // texts, grid[0] * grid[1] * grid[2]
    share = -(-tokens // degree)
    stream = own_batch * share * cfg.width * element
    patch = cfg.patch_size**2 * (cfg.out_channels or cfg.in_channels)
    velocity = own_batch * tokens * patch * element
    received = {
        # After both attentions and the feed-forward.
        "tensor": 3 * cfg.num_layers * (2 * (tensor - 1) * stream // tensor),
        # Queries, keys, values, and the way back.
        "ulysses": 4 * cfg.num_layers * ((degree - 1) * (stream // tensor) // degree),
        "ulysses output": (degree - 1) * own_batch * share * patch * element,
        "guidance": (texts - 1) * velocity,
    }
    flops = own_batch * _step_flops(cfg, tokens, share, words, parallel)
    return StepShare(flops=flops, received={kind: count for kind, count in received.items() if count})


def _step_flops(
    cfg: TransformerConfig, tokens: int, share: int, words: tuple[int, int], parallel: ParallelConfig
) -> int:
    """Of one sample: blocks and output for this process' tokens and heads; embeddings are computed by all."""
    visible = words[0] + (words[1] if cfg.clip_channels is not None else 0)
    block = costs.total(costs.transformer_block(cfg, share, visible))
    among_own, among_all = 4 * share * share * cfg.width, 4 * tokens * tokens * cfg.width // parallel.ulysses
    blocks = cfg.num_layers * (block.flops - among_own + among_all) // parallel.tensor
    around = costs.total(costs.transformer(replace(cfg, num_layers=0), tokens, *words)).flops
    head = 2 * cfg.width * cfg.patch_size**2 * (cfg.out_channels or cfg.in_channels)
    return blocks + around - head * (tokens - share)


def transformer_share_bytes(
    cfg: TransformerConfig,
    grid: tuple[int, int, int],
    words: int,
    parallel: ParallelConfig,
    *,
    batch: int,
    element: int,
) -> int:
    """Peak of a denoising step beside the weights on one of several processes; `transformer_bytes` for one."""
    tokens = grid[0] * grid[1] * grid[2]
    share, tensor = -(-tokens // parallel.ulysses), parallel.tensor
    own_batch = batch // (2 if parallel.guidance else 1)
    stream, exact = share * cfg.width * element, share * cfg.width * 4
    rope = (tokens if parallel.ulysses > 1 else 0) * cfg.attention_head_dim * element
    rope += share * cfg.attention_head_dim * element
    # The residual stream, the modulated input, and four widths before and after GELU.
    feed_forward = 2 * stream + 8 * stream // tensor
    # The same two, then of the heads here: q, k and v in one, both rotated, and one more in float32, twice at times.
    attention = 2 * stream + 4 * stream // tensor + 2 * exact // tensor - stream // tensor
    if tensor > 1:
        # Fused q, k, v, rotated q and k, the attended values; and the output of full width before and after the sum.
        attention = max(attention, 4 * stream + 6 * stream // tensor)
    if parallel.ulysses > 1:
        # Fused q, k, v, rotated q and k, two of the three with all tokens, the third as it is sent and received, and
        # what the exchange before has not let go of yet.
        attention = max(attention, 2 * stream + 10 * stream // tensor)
    return own_batch * (2 * stream + words * cfg.width * element + max(feed_forward, attention)) + rope


def parallel_estimate(
    preset: Preset,
    parallel: ParallelConfig,
    sampling: SamplingConfig | None = None,
    *,
    dtypes: Mapping[str, str] = RELEASED_DTYPES,
    fp8: bool = False,
) -> ParallelEstimate:
    """What one clip costs each of several devices.

    Args:
        preset: Configs of the model.
        parallel: Degrees.
        sampling: Size and number of steps; None takes the preset's.
        dtypes: See `estimate`; so is `fp8`.

    Raises:
        ConfigError: If the degrees do not divide the heads.
        ShapeError: For a size that no clip can have.
    """
    sampling = sampling or preset.sampling
    parallel.require_heads(preset.transformer)
    whole = estimate(preset, sampling, dtypes=dtypes, fp8=fp8)
    size = {name: ELEMENT_BYTES[dtype] for name, dtype in dtypes.items()}
    cfg, batch = preset.transformer, 2 if sampling.guidance_scale > 1 else 1
    frames, _, height, width = latent_shape(
        sampling.num_frames, sampling.height, sampling.width, cfg.in_channels, patch_size=cfg.patch_size
    )
    grid = (frames, height // cfg.patch_size, width // cfg.patch_size)
    words = (preset.llm.max_prompt_tokens, preset.clip.max_prompt_tokens)
    step = step_share(cfg, grid, words, parallel, batch=batch, element=size["transformer"])
    visible = words[0] + (words[1] if cfg.clip_channels is not None else 0)
    activation = (
        whole.stages["denoise"].activation_bytes
        if parallel.processes == 1
        else transformer_share_bytes(cfg, grid, visible, parallel, batch=batch, element=size["transformer"])
    )
    chunks = -(-frames // LATENT_FRAMES_PER_CHUNK)
    dealt = -(-chunks // parallel.processes) if parallel.vae else chunks
    pixels = 3 * sampling.height * sampling.width * size["vae"]
    return ParallelEstimate(
        stages={
            "text_encode": _text_share(whole, preset, parallel, size),
            "denoise": replace(
                whole.stages["denoise"],
                weight_bytes=_block_share(whole.stages["denoise"].weight_bytes, cfg, parallel, size["transformer"]),
                activation_bytes=activation,
                flops=sampling.num_steps * step.flops,
            ),
            "vae_decode": replace(
                whole.stages["vae_decode"], flops=whole.stages["vae_decode"].flops * dealt // max(chunks, 1)
            ),
        },
        step=step,
        vae_received_bytes=(pixel_frames(frames) - pixel_frames(min(frames, 3 * dealt))) * pixels
        if parallel.vae
        else 0,
        num_steps=sampling.num_steps,
        whole_step_flops=whole.step_flops,
    )


def _block_share(weight_bytes: int, cfg: TransformerConfig, parallel: ParallelConfig, element: int) -> int:
    """Bytes of the transformer's weights on one process: linear layers of the blocks are cut, the rest is not."""
    blocks = costs.transformer_block(cfg, 1, 1) * cfg.num_layers
    whole = sum(layer.others for layer in blocks) * element
    around = costs.total(costs.transformer(replace(cfg, num_layers=0), 1, 1, 1)).parameters * element
    return whole + around + (weight_bytes - whole - around) // parallel.tensor


def _text_share(whole: Estimate, preset: Preset, parallel: ParallelConfig, size: Mapping[str, int]) -> StageEstimate:
    stage, parts = whole.stages["text_encode"], text_degree(parallel.processes, preset.llm.num_attention_groups)
    llm = costs.total(costs.step_llm(preset.llm))
    norms = preset.llm.num_layers * 2 * preset.llm.hidden_size
    cut = (llm.parameters - norms) * size["llm"]
    texts = stage.flops // (llm.flops + costs.total(costs.clip_text(preset.clip)).flops)
    return replace(
        stage,
        weight_bytes=stage.weight_bytes - cut + cut // parts,
        flops=stage.flops - texts * (llm.flops - llm.flops // parts),
    )
