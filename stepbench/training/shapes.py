"""Training the `shapes` backbone: clips and captions of the moving-shapes world, pulled together and apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from metrics.backbones.shapes import ShapesEncoder
from metrics.backbones.shapes_tokenizer import UNKNOWN, split_text
from metrics.backbones.shapes_video import SampledClips, sample_clips
from reference_model.training.data import clip_indices, step_generator, to_float
from reference_model.training.recipe import TrainingRecipe
from stepbench.training.near_scenes import meaning, scene_family
from stepbench.training.shapes_scores import attribute_answers
from stepbench.worlds.moving_shapes.captions import caption
from stepbench.worlds.moving_shapes.lexicon import GROUP_WORDS, LANGUAGES, SCENE_WORDS, SENTENCES, TEMPLATES
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.sampling import pick
from stepbench.worlds.moving_shapes.scene import Scene
from stepbench.worlds.moving_shapes.seeding import keyed_rng

CLIP_SIDES, CLIP_FRAMES = (32, 32, 48, 64), (9, 17, 17, 25)
"""Sizes and lengths that training clips are rendered at, so that the encoder meets what resampling does to them."""


@dataclass(frozen=True, kw_only=True)
class ShapesRecipe(TrainingRecipe):
    """Recipe of the `shapes` backbone. The defaults are what the shipped weights were trained with.

    A batch is made of families: scenes that differ in one attribute, so that every caption has its near misses in the
    same batch. The whole batch is one contrastive problem; several processes have one each.

    Attributes:
        levels: Levels of the world, one of which is drawn per family.
        families: How many families there are. Their clips are rendered once and kept, 49 kB each.
        family_size: Clips per family; `batch_size` is a multiple of it.
        damage_share: Share of clips that are lightly `damaged`, so that the pictures of an imperfect model are still
            understood.
        unknown_share: Share of captions into which an unknown word is put, so that such words are learned to be
            ignored.
        held_out: Clips of the test split that figures are computed on while training.
    """

    MAY_CHANGE = TrainingRecipe.MAY_CHANGE | {"held_out"}

    steps: int = 4000
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 150
    decay_share: float = 0.6
    betas: Sequence[float] = (0.9, 0.98)
    weight_decay: float = 0.02
    ema_decay: float = 0.995
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    save_every: int = 100
    sample_every: int = 500
    levels: Sequence[int] = (1, 2, 3)
    families: int = 3072
    family_size: int = 8
    damage_share: float = 0.5
    unknown_share: float = 0.1
    held_out: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("levels", tuple(self.levels))
        self._require(2 <= self.family_size <= 12, "family_size must be 2 to 12", "family_size")
        self._require(
            self.batch_size % self.family_size == 0,
            "batch_size must be a multiple of family_size",
            "batch_size",
            "family_size",
        )
        self._require(
            self.families * self.family_size >= self.batch_size,
            "families must be at least as many as a batch holds",
            "families",
            "batch_size",
        )
        self._require(
            self.micro_batch_size is None, "a contrastive batch cannot be computed in parts", "micro_batch_size"
        )


@dataclass(frozen=True)
class ShapesBatch:
    """Clips with their captions.

    Attributes:
        clips: As the video tower takes them.
        ids: Captions of all clips in English, then of all clips in Chinese.
        same: Which captions describe which clips.
    """

    clips: SampledClips
    ids: Int64[Tensor, "texts length"]
    same: Bool[Tensor, "batch texts"]


class ShapesTask:
    """See `TrainingTask`.

    Args:
        recipe: Settings; its seed gives the first weights.
        device: Where to train.
    """

    def __init__(self, recipe: ShapesRecipe, device: torch.device | str = "cpu") -> None:
        self.recipe = recipe
        self._families: dict[int, list[Scene]] = {}
        self._clips: dict[tuple[int, int], UInt8[Tensor, "16 3 32 32"]] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.model = ShapesEncoder(world_vocabulary()).to(device)

    def batch(self, step: int, samples: Sequence[int]) -> ShapesBatch:
        """Sample i is member i // n of family i % n, of n in a batch, so a process's share holds whole families."""
        numbers = clip_indices(step, self._per_batch, self.recipe.families, self.recipe.seed)
        members = [(numbers[sample % self._per_batch], sample // self._per_batch) for sample in samples]
        chosen = [self._family(family)[member] for family, member in members]
        clips = torch.cat([self._seen(step, sample, *which) for sample, which in zip(samples, members, strict=True)])
        ids = [
            self._ids(step, sample, scene, language)
            for language in LANGUAGES
            for sample, scene in zip(samples, chosen, strict=True)
        ]
        found: dict[Scene, int] = {}
        shown = torch.tensor([found.setdefault(meaning(scene), len(found)) for scene in chosen])
        same = (shown[:, None] == shown).repeat(1, len(LANGUAGES))
        return ShapesBatch(clips, nn.utils.rnn.pad_sequence(ids, batch_first=True), same)

    def loss(
        self, model: nn.Module, batch: ShapesBatch, step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Symmetric contrastive loss between clips and captions of both languages."""
        device = next(self.model.parameters()).device
        videos, texts, scale = model(batch.clips.to(device), batch.ids.to(device))
        with torch.autocast(device.type, enabled=False):
            cosines = videos.float() @ texts.float().T
        same = batch.same.to(device)
        loss = contrastive_loss(cosines * scale, same)
        best = cosines.argmax(dim=1, keepdim=True)
        return loss, {"found": same.gather(1, best).float().mean(), "scale": scale}

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """Shares of held-out clips of level 1 whose caption beats all that differ in one attribute."""
        answers = attribute_answers(self.model, range(self.recipe.held_out), level=1)
        means = answers.groupby(["language", "attribute"])["right"].mean()
        return {f"{language}_{attribute}": float(value) for (language, attribute), value in means.items()}  # type: ignore[misc]

    @property
    def _per_batch(self) -> int:
        return self.recipe.batch_size // self.recipe.family_size

    def _family(self, number: int) -> list[Scene]:
        if number not in self._families:
            rng = keyed_rng(["shapes family", self.recipe.seed, list(self.recipe.levels)], number)
            level = pick(self.recipe.levels, rng)
            self._families[number] = scene_family(level, self.recipe.family_size, rng, "train")
        return self._families[number]

    def _clip(self, family: int, member: int) -> UInt8[Tensor, "16 3 32 32"]:
        if (family, member) not in self._clips:
            rng = keyed_rng(["shapes clip", self.recipe.seed], family, member)
            side, frames = pick(CLIP_SIDES, rng), pick(CLIP_FRAMES, rng)
            clip = render(self._family(family)[member], 0, frames=frames, height=side, width=side, rng=rng)
            sampled = sample_clips(torch.from_numpy(clip)[None])[0]
            self._clips[family, member] = ((sampled + 1) * 127.5).round().to(torch.uint8)
        return self._clips[family, member]

    def _seen(self, step: int, sample: int, family: int, member: int) -> SampledClips:
        rng = keyed_rng(["shapes damage", self.recipe.seed], step, sample)
        clip = to_float(self._clip(family, member))[None]
        return damaged(clip, rng) if rng.random() < self.recipe.damage_share else clip

    def _ids(self, step: int, sample: int, scene: Scene, language: str) -> Int64[Tensor, " length"]:
        generator = step_generator(self.recipe.seed, step, sample, LANGUAGES.index(language))
        draws = torch.rand(3, generator=generator)
        text = caption(scene, language, int(draws[0] * TEMPLATES))
        ids = self.model.tokenizer.encode([text], pad_to=0).ids[0]
        if draws[1] < self.recipe.unknown_share:
            place = int(draws[2] * (len(ids) + 1))
            ids = torch.cat([ids[:place], torch.tensor([UNKNOWN]), ids[place:]])
        return ids[: self.model.tokenizer.length]


def contrastive_loss(logits: Float[Tensor, "clips texts"], same: Bool[Tensor, "clips texts"]) -> Float[Tensor, ""]:
    """InfoNCE in both directions (van den Oord et al., 2018; symmetric: Radford et al., 2021).

    A pair that belongs together competes with those that do not, and with no other pair that does: a clip with several
    true captions is not asked to choose among them.

    Args:
        logits: Cosines times scale.
        same: Which belong together; at least one in every row and column.
    """
    return (_one_way(logits, same) + _one_way(logits.T, same.T)) / 2


def damaged(clip: SampledClips, rng: np.random.Generator) -> SampledClips:
    """Slightly blurred, noised, or brightened or darkened, by an amount drawn evenly from nothing upwards."""
    kind, amount = pick(("blur", "noise", "brightness"), rng), rng.random()
    if kind == "blur":
        frames = clip.flatten(0, 1)
        smooth = F.avg_pool2d(F.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return (frames + amount * (smooth - frames)).unflatten(0, clip.shape[:2])
    if kind == "noise":
        change = 0.1 * amount * torch.from_numpy(rng.standard_normal(clip.shape, dtype=np.float32))
    else:
        change = torch.tensor(0.2 * (amount - 0.5))
    return (clip + change).clamp(-1, 1)


def world_vocabulary() -> list[str]:
    """Every word and character that a caption of the world can hold, sorted."""
    return sorted({piece for text in _world_texts() for piece in split_text(text)})


def _one_way(logits: Float[Tensor, "rows columns"], same: Bool[Tensor, "rows columns"]) -> Float[Tensor, ""]:
    others = logits.masked_fill(same, float("-inf")).logsumexp(dim=1, keepdim=True)
    per_pair = torch.logaddexp(logits, others) - logits
    return (per_pair * same).sum() / same.sum()


def _world_texts() -> Iterator[str]:
    for language in LANGUAGES:
        for sentences in SENTENCES[language].values():
            for sentence in sentences:
                yield " ".join(literal for literal, *_ in Formatter().parse(sentence))
        tables = [table for plural in GROUP_WORDS[language].values() for table in plural.values()]
        for table in [*tables, *SCENE_WORDS[language].values()]:
            yield from table.values()
