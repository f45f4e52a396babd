"""What all training recipes have in common, as one frozen configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from reference_model.checked_config import CheckedConfig

Strategy = Literal["ddp", "fsdp"]


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe(CheckedConfig):
    """Optimiser, schedule, precision and book-keeping of a training run.

    The learning rate rises over `warmup_steps`, stays, and falls linearly to zero over the last `decay_share` of
    `steps`. A run may be continued with other `steps`: fewer make it cool down now, more let it go on.

    Attributes:
        steps: Optimiser steps of the whole run.
        batch_size: Clips per step over all processes together.
        micro_batch_size: Clips per forward pass of one process; None takes its share of the batch at once.
        learning_rate: Peak.
        fan_in_reference: Weights with a larger fan-in get a learning rate smaller by this ratio, because one step of
            Adam moves their output by more; None turns this off.
        matrix_optimiser: Of the linear layers inside repeated blocks: `adamw` as for everything else, or `muon` (Jordan
            et al. 2024), whose steps are scaled to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982).
        warmup_steps: Linear rise.
        decay_share: Share of `steps` at the end over which the rate falls.
        betas: Of AdamW.
        weight_decay: Of AdamW, on tensors with two and more dimensions.
        clip_norm: Largest norm of the whole gradient.
        ema_decay: Of the exponential moving average of the weights, which is what is exported.
        precision: `bfloat16` computes under autocast; weights and optimiser stay float32.
        gradient_checkpointing: Recompute activations in the backward pass, block by block.
        strategy: How several processes share the work: copies of the model (`ddp`) or a model in parts (`fsdp`).
        seed: Of everything random.
        log_every: Steps between rows of the log.
        save_every: Steps between checkpoints.
        sample_every: Steps between previews and evaluations.
        keep_checkpoints: Checkpoints kept, the newest ones.
    """

    MAY_CHANGE: ClassVar[frozenset[str]] = frozenset(
        {
            "steps",
            "decay_share",
            "micro_batch_size",
            "gradient_checkpointing",
            "strategy",
            "log_every",
            "save_every",
            "sample_every",
            "keep_checkpoints",
        }
    )
    """Settings that a continued run may have otherwise than before; any other would make it another run."""

    steps: int
    batch_size: int
    micro_batch_size: int | None = None
    learning_rate: float = 1e-4
    fan_in_reference: int | None = None
    matrix_optimiser: Literal["adamw", "muon"] = "adamw"
    warmup_steps: int = 50
    decay_share: float = 0.3
    betas: Sequence[float] = (0.9, 0.95)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema_decay: float = 0.997
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    strategy: Strategy = "ddp"
    seed: int = 0
    log_every: int = 10
    save_every: int = 500
    sample_every: int = 500
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("betas", tuple(self.betas))
        for name in ("steps", "batch_size", "log_every", "save_every", "sample_every", "keep_checkpoints"):
            self._require(getattr(self, name) >= 1, f"{name} must be at least 1", name)
        for name in ("micro_batch_size", "fan_in_reference"):
            self._require((getattr(self, name) or 1) >= 1, f"{name} must be at least 1, or None", name)
        self._require(self.learning_rate > 0, "learning_rate must be above 0", "learning_rate")
        self._require(self.warmup_steps >= 0, "warmup_steps must not be negative", "warmup_steps")
        self._require(0 <= self.decay_share <= 1, "decay_share must be 0 to 1", "decay_share")
        self._require(
            len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas), "betas are two, 0 to below 1", "betas"
        )
        self._require(self.weight_decay >= 0, "weight_decay must not be negative", "weight_decay")
        self._require(0 <= self.ema_decay < 1, "ema_decay must be 0 to below 1", "ema_decay")
        self._require(self.clip_norm > 0, "clip_norm must be above 0", "clip_norm")
        self._require(self.precision in ("float32", "bfloat16"), "precision is float32 or bfloat16", "precision")
        known = self.matrix_optimiser in ("adamw", "muon")
        self._require(known, "matrix_optimiser is adamw or muon", "matrix_optimiser")
        shared = self.matrix_optimiser == "muon" and self.strategy == "fsdp"
        self._require(not shared, "muon needs whole matrices, which fsdp cuts", "matrix_optimiser", "strategy")
        self._require(self.strategy in ("ddp", "fsdp"), "strategy is ddp or fsdp", "strategy")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step (0-based), as a share of the peak."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        decay_steps = self.steps * self.decay_share
        fall = 1.0 if not decay_steps else min(1.0, (self.steps - step) / decay_steps)
        return min(rise, fall)
