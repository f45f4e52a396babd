"""Video-DPO: training the transformer on pairs of clips of which people preferred one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_model.errors import ConfigError
from reference_model.training import distributed
from reference_model.training.checkpoints import frozen_fingerprint
from reference_model.training.data import clip_indices, step_generator
from reference_model.training.dpo_loss import (
    Objective,
    PairErrors,
    PerPair,
    Reduction,
    dpo_loss,
    implicit_margin,
    squared_error,
)
from reference_model.training.dpo_measures import PairOutcome, figures, joined
from reference_model.training.flow import Evaluation, FlowRecipe, draw_time
from reference_model.training.lora import LINEAR_LAYERS, Layers, adapters_off, add_adapters
from reference_model.training.preference_latents import LatentPair, LatentPairs
from reference_model.training.preferences import PreferenceDataError
from reference_model.training.sharded_start import ShardedStart
from reference_model.training.text_states import PromptedTransformer
from reference_model.vae.posterior import Latents


@dataclass(frozen=True, kw_only=True)
class DPORecipe(FlowRecipe):
    """Recipe of Video-DPO (Step-Video-T2V, arXiv 2502.10248, section 4.4). A sample is a pair of clips.

    Times, text dropout and `held_out` are those of `FlowRecipe`; text encoders stay as they are. Published values of
    beta, with `half` and the mean: 5000 (Wallace et al. 2024; 2500 without `half` is the same), 100 (with flow matching
    and adapters). The report found that a smaller beta with a larger learning rate learns faster.

    Attributes:
        beta: How strongly the model is held to the reference.
        half: Whether beta counts half; see `implicit_margin`.
        reduction: How an error is taken over a clip's latents; see `squared_error`.
        objective: See `dpo_loss`.
        label_smoothing: Of every pair; `votes` takes the share of votes that each pair's loser had.
        winner_weight: Weight of the winner's own error, added to the loss. Preferences alone may be met by unlearning
            losers, and what is like them; this holds the model to the winners (Pang et al. 2024, arXiv 2404.19733,
            section 2, for language models).
        lora_rank: Of the adapters that are trained (`add_adapters`); the reference is the model with its adapters off.
            0 trains all weights of the transformer; the reference is a copy.
        lora_alpha: Of the adapters.
        lora_layers: Which layers get adapters.
        time_bins: Equal parts of [0, 1] for which accuracies are logged by themselves.
        kept_change: Share of the change of the weights that the exported model keeps, above 0 to 1: it lies on the line
            between the reference and the trained model (Wortsman et al. 2022, arXiv 2109.01903, section 3), where less
            is lost of what no preference speaks of. Log and previews show the whole change.
    """

    MAY_CHANGE = FlowRecipe.MAY_CHANGE | {"kept_change"}

    beta: float = 500.0
    half: bool = True
    reduction: Reduction = "mean"
    objective: Objective = "sigmoid"
    label_smoothing: float | Literal["votes"] = 0.0
    winner_weight: float = 0.0
    learning_rate: float = 1e-5
    text_dropout: float = 0.0
    lora_rank: int = 32
    lora_alpha: float = 64.0
    lora_layers: Sequence[Layers] = ("attention", "mlp")
    time_bins: int = 4
    kept_change: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("lora_layers", tuple(self.lora_layers))
        smoothing = self.label_smoothing
        in_range = smoothing == "votes" or (not isinstance(smoothing, str) and 0 <= smoothing < 0.5)
        layers_known = set(self.lora_layers) <= LINEAR_LAYERS.keys() and len(self.lora_layers) > 0
        self._require(self.beta > 0, "beta must be above 0", "beta")
        self._require(self.reduction in ("mean", "sum"), "reduction is 'mean' or 'sum'", "reduction")
        known = self.objective in ("sigmoid", "ipo", "hinge")
        self._require(known, "objective is 'sigmoid', 'ipo' or 'hinge'", "objective")
        self._require(in_range, "label_smoothing must be 0 to below 0.5, or 'votes'", "label_smoothing")
        self._require(self.winner_weight >= 0, "winner_weight must not be negative", "winner_weight")
        self._require(self.lora_rank >= 0, "lora_rank must not be negative", "lora_rank")
        self._require(self.lora_alpha > 0, "lora_alpha must be above 0", "lora_alpha")
        self._require(layers_known, f"lora_layers are some of {', '.join(LINEAR_LAYERS)}", "lora_layers")
        self._require(self.time_bins >= 1, "time_bins must be at least 1", "time_bins")
        self._require(0 < self.kept_change <= 1, "kept_change must be above 0, and at most 1", "kept_change")
        self._require(not self.train_text, "the text encoders are not trained by preferences", "train_text")


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """Pairs of one shape."""

    winner: Latents
    loser: Latents
    prompts: list[str]
    share: PerPair
    fps: PerPair


class DPOTask:
    """See `TrainingTask`.

    Args:
        model: Transformer and frozen text encoders, with the weights that preferences are to improve: they become the
            reference. Gets adapters, unless all its weights are trained. To continue a run give it these same weights.
        recipe: Settings.
        train: Pairs to learn from; those of one batch must have one shape.
        test: Held-out pairs, of any shapes; may be empty.
        judge: Further figures, for instance on clips sampled from held-out prompts.
        weights: Of a model whose transformer has none yet: all processes read their parts, and the model is cut (FSDP).

    Attributes:
        reference_fingerprint: See `ReferencedTask`; None with adapters, where the reference is frozen in the model.

    Raises:
        ConfigError: If the model trains its text encoders, or adapters cannot be added.
    """

    def __init__(
        self,
        model: PromptedTransformer,
        recipe: DPORecipe,
        train: LatentPairs,
        test: LatentPairs,
        judge: Evaluation | None = None,
        weights: ShardedStart | None = None,
    ) -> None:
        if any(value.requires_grad for value in model.text_encoder.parameters()):
            raise ConfigError(
                "the text encoders must be frozen: model and reference read the same states",
                hint="PromptedTransformer(..., train_text=False)",
            )
        self.model = model
        self.recipe = recipe
        self.train = train
        self.test = test
        self.judge = judge
        self.reference_fingerprint: str | None = None
        self._copy: PromptedTransformer | None = None
        if recipe.lora_rank:
            add_adapters(
                model.transformer,  # pyright: ignore[reportArgumentType]
                rank=recipe.lora_rank,
                alpha=recipe.lora_alpha,
                layers=recipe.lora_layers,
                generator=step_generator(recipe.seed, _ADAPTERS),
            )
        else:
            self._copy = _frozen_copy(model)
            # Each process encodes the prompts that it has not seen yet, so that the encoders cannot be in parts.
            if weights is not None:
                weights.cut(self._copy, whole=model.text_encoder)
            self.reference_fingerprint = frozen_fingerprint(self._copy)
            if weights is None and recipe.strategy == "fsdp" and distributed.world()[1] > 1:
                distributed.shard(self._copy, whole=model.text_encoder)
        if weights is not None:
            weights.cut(model)

    def batch(self, step: int, samples: Sequence[int]) -> PairBatch:
        """Pairs with their prompts, some of which are dropped.

        Raises:
            PreferenceDataError: If the pairs differ in shape.
        """
        indices = clip_indices(step, self.recipe.batch_size, len(self.train), self.recipe.seed)
        pairs = [self.train[indices[sample]] for sample in samples]
        kept = [self._keeps_prompt(step, sample) for sample in samples]
        return _collate(pairs, [pair.prompt if keep else "" for pair, keep in zip(pairs, kept, strict=True)])

    def loss(
        self, model: nn.Module, batch: PairBatch, step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean of `dpo_loss`, at one time and one noise per pair, with the winners' error; logged are the `figures`."""
        generators = [step_generator(self.recipe.seed, _NOISE, step, sample) for sample in samples]
        times = torch.stack([draw_time(generator, self.recipe) for generator in generators])
        outcome = self.outcome(model, batch, times, generators)
        return outcome.loss.mean(), figures(outcome, self.recipe.time_bins)

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """`figures` of held-out pairs, each at a fixed time and noise in every time bin; and the judge's figures."""
        outcomes = [self._held_out(index) for index in range(min(self.recipe.held_out, len(self.test)))]
        values = {}
        if outcomes:
            everything = joined(outcomes)
            measured = {"loss": everything.loss.mean(), **figures(everything, self.recipe.time_bins)}
            values = {name: value.item() for name, value in measured.items()}
        return values | (self.judge(folder, step) if self.judge else {})

    def outcome(
        self,
        model: nn.Module,
        batch: PairBatch,
        times: Float[Tensor, " pairs"],
        generators: Sequence[torch.Generator],
    ) -> PairOutcome:
        """Loss and errors of each pair. Winners and losers go through the model in one pass, winners first.

        Args:
            model: `self.model`, perhaps wrapped.
            batch: The pairs.
            times: Of each pair, for both of its clips.
            generators: One per pair; its noise is the same for both clips.
        """
        device = next(self.model.parameters()).device
        noise = torch.stack([torch.randn(batch.winner.shape[1:], generator=generator) for generator in generators])
        data, noise, both_times, fps = (
            torch.cat(halves).to(device)
            for halves in ([batch.winner, batch.loser], [noise] * 2, [times] * 2, [batch.fps] * 2)
        )
        share = both_times.view(-1, 1, 1, 1, 1)
        inputs = ((1 - share) * noise + share * data, both_times, batch.prompts * 2, fps)
        reference = self._reference_velocity(*inputs)
        velocity = model(*inputs)

        winner, loser = squared_error(velocity, data - noise, self.recipe.reduction).chunk(2)
        reference_winner, reference_loser = squared_error(reference, data - noise, self.recipe.reduction).chunk(2)
        errors = PairErrors(
            winner=winner, loser=loser, reference_winner=reference_winner, reference_loser=reference_loser
        )
        recipe, smoothing = self.recipe, self.recipe.label_smoothing
        preference = dpo_loss(
            errors,
            beta=recipe.beta,
            half=recipe.half,
            objective=recipe.objective,
            label_smoothing=1 - batch.share.to(device) if smoothing == "votes" else smoothing,
        )
        return PairOutcome(
            loss=preference + recipe.winner_weight * winner,
            winner_drift=(winner - reference_winner).detach(),
            loser_drift=(loser - reference_loser).detach(),
            margin=implicit_margin(errors, beta=recipe.beta, half=recipe.half).detach(),
            change=squared_error(velocity.detach(), reference, "mean").view(2, -1).mean(dim=0),
            times=times.to(device),
        )

    @torch.no_grad()
    def _reference_velocity(self, *inputs: object) -> Latents:
        if self._copy is not None:
            return self._copy(*inputs)
        with adapters_off(self.model.transformer):  # pyright: ignore[reportArgumentType]
            return self.model(*inputs)

    def _held_out(self, index: int) -> PairOutcome:
        bins = self.recipe.time_bins
        generators = [step_generator(self.recipe.seed, _TEST, index, part) for part in range(bins)]
        draws = torch.stack([torch.rand((), generator=generator) for generator in generators])
        pair = self.test[index]
        batch = _collate([pair] * bins, [pair.prompt] * bins)
        return self.outcome(self.model, batch, (torch.arange(bins) + draws) / bins, generators)

    def _keeps_prompt(self, step: int, sample: int) -> bool:
        draw = torch.rand((), generator=step_generator(self.recipe.seed, _PROMPT, step, sample))
        return bool(draw >= self.recipe.text_dropout)


_NOISE, _TEST, _PROMPT, _ADAPTERS = 30, 31, 32, 33


def _frozen_copy(model: PromptedTransformer) -> PromptedTransformer:
    """What stays as it is while the model is trained; text encoders and the states of prompts are shared."""
    shared = {id(part): part for part in (model.text_encoder, model.states)}
    return copy.deepcopy(model, shared).requires_grad_(False).eval()


def _collate(pairs: Sequence[LatentPair], prompts: list[str]) -> PairBatch:
    shapes = sorted({tuple(pair.winner.shape) for pair in pairs})
    if len(shapes) > 1:
        raise PreferenceDataError(
            f"the pairs of a batch must have latents of one shape, got {shapes[0]} and {shapes[1]}",
            hint="micro_batch_size = 1 takes any mixture",
        )
    return PairBatch(
        winner=torch.stack([pair.winner for pair in pairs]).float(),
        loser=torch.stack([pair.loser for pair in pairs]).float(),
        prompts=prompts,
        share=torch.tensor([pair.share for pair in pairs]),
        fps=torch.tensor([pair.fps for pair in pairs]),
    )
