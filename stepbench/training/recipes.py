"""Recipes that come with the package, by the model that they train."""

from __future__ import annotations

from collections.abc import Callable

from reference_model.training.distill import DistillRecipe
from reference_model.training.dpo import DPORecipe
from reference_model.training.flow import FlowRecipe
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.vae import VAERecipe


def tiny_vae() -> VAERecipe:
    """The Video-VAE of `tiny`, from its linear start: about 70 minutes on one CPU core with bfloat16 matrix units."""
    return VAERecipe(
        steps=6_300,
        batch_size=2,
        learning_rate=3e-4,
        fan_in_reference=216,
        precision="bfloat16",
        kl_weight=1e-5,
        moving_weight=4.0,
        log_every=20,
        save_every=200,
        sample_every=400,
    )


def tiny_flow() -> FlowRecipe:
    """Transformer and text encoders of `tiny`, from scratch.

    Where things are and where they go is decided while little is to be seen but noise, so most times are drawn there.
    """
    return FlowRecipe(
        steps=8_000,
        batch_size=32,
        learning_rate=2e-3,
        matrix_optimiser="muon",
        warmup_steps=100,
        ema_decay=0.995,
        time_shift=4.0,
        train_text=True,
        log_every=20,
        save_every=250,
        sample_every=1_000,
    )


def tiny_distill() -> DistillRecipe:
    """`tiny-turbo`: five steps without guidance, from `tiny`."""
    return DistillRecipe(
        steps=3_000,
        batch_size=32,
        learning_rate=5e-4,
        matrix_optimiser="muon",
        warmup_steps=100,
        ema_decay=0.995,
        log_every=20,
        save_every=250,
        sample_every=1_000,
    )


def tiny_dpo() -> DPORecipe:
    """`tiny-dpo`: adapters on `tiny`, from votes of a simulated annotator.

    Half of the change is kept: all of it obeys unseen captions a little better, but draws less like the world.
    """
    return DPORecipe(
        steps=300,
        batch_size=16,
        learning_rate=2e-4,
        beta=100.0,
        label_smoothing="votes",
        time_shift=4.0,
        warmup_steps=50,
        ema_decay=0.99,
        kept_change=0.5,
        log_every=10,
        save_every=100,
        sample_every=100,
    )


RECIPES: dict[str, dict[str, Callable[[], TrainingRecipe]]] = {
    "tiny": {"vae": tiny_vae, "flow": tiny_flow, "distill": tiny_distill, "dpo": tiny_dpo}
}
"""Model -> stage -> recipe."""
