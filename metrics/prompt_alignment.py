"""How well a clip fits its prompt, by any prompt tower: the score, its margin over other prompts, the tokens cut."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torchmetrics.utilities.data import dim_zero_cat

from metrics.backbones.frame_recipe import FRAMES_AT_ONCE
from metrics.backbones.prompt_tower import PromptTower, find_tower
from metrics.backbones.scripts import east_asian
from metrics.base import ClipMetric
from metrics.card import MetricCard
from metrics.errors import MetricError, UndefinedScoreError
from metrics.frame_metric import FrameMetric
from metrics.functional.prompts import PromptMargin, margin_over, prompt_margin
from metrics.view import ClipView
from metrics.weights import WEIGHTS, find_weights

MOST_DISTRACTORS = 64
_STATES = ("clip_vectors", "text_vectors", "prompt_keys")


class _PromptMetric(ClipMetric):
    """A metric of clips and prompts by one tower.

    Args:
        weights: Other weights of the same kind: a name of `stepbench weights list`, or a folder.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        UnavailableMetricError: The weights are not on this machine.
    """

    default_weights: ClassVar[str]

    def __init__(self, *, weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights = self.default_weights if weights is None else weights
        self.card = self._card(self.tower)

    @property
    def tower(self) -> PromptTower:
        """The networks; shared by all metrics of this process."""
        return find_tower(self.weights)

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the default weights."""
        if cls.default_weights in WEIGHTS:
            find_weights(cls.default_weights)

    def _card(self, tower: PromptTower) -> MetricCard:
        return replace(type(self).card, backbone=tower.name, weights_hash=tower.weights_hash, policy=tower.policy)

    def _prompt(self, view: ClipView) -> str:
        prompt = view.prompt or ""
        if not prompt.strip():
            raise UndefinedScoreError(f"{self.card.name} needs a prompt with words, got {prompt!r}")
        self.tower.check_text(prompt)
        return prompt


class _ClipAndPrompt(_PromptMetric, FrameMetric):
    """A metric of the vectors of frames, or of the one of the clip, and those of texts."""

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Those that the tower sees."""
        return self.tower.frames_seen(frames)

    def frames_at_once(self, height: int, width: int) -> int:
        """As many as the tower sees at a time."""
        return self.tower.frames_at_once

    def _vectors(self, view: ClipView) -> Float64[Tensor, "seen d"]:
        tower = self.tower
        return view.once(("prompt tower", tower), lambda: tower.embed_clip(view.frames))


class PromptScore(_ClipAndPrompt):
    """Mean over frames of 100 max(0, cos(frame, prompt)); `margin` tells how much of it is owed to the own prompt.

    Vectors of clips and prompts are kept: `cosine` and `margin` are about all clips seen, in all processes.
    """

    clip_vectors: list[Tensor] | Tensor
    text_vectors: list[Tensor] | Tensor
    prompt_keys: list[Tensor] | Tensor

    def __init__(self, *, weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(weights=weights, **kwargs)
        for state in _STATES:
            self.add_state(state, [], dist_reduce_fx="cat")

    def measure(self, view: ClipView) -> np.ndarray:
        """Score of each frame.

        Raises:
            UndefinedScoreError: The tower cannot read the prompt.
        """
        text = self.tower.embed_text(self._prompt(view))
        # Not a matrix product: that rounds a row by how many others there are.
        return (100 * (self._vectors(view) * text).sum(dim=1).clamp(0, 1)).numpy()

    def remember(self, views: Sequence[ClipView]) -> None:
        """Keep the vectors of clips and prompts."""
        for view in views:
            prompt = self._prompt(view)
            self._append("clip_vectors", self._vectors(view).mean(dim=0))
            self._append("text_vectors", self.tower.embed_text(prompt))
            self._append("prompt_keys", torch.tensor([_number(prompt), int(bool(east_asian(prompt)))]))

    def cosine(self) -> float:
        """Mean over clips of the mean cosine of frames and prompt, not clipped at 0.

        Raises:
            UndefinedScoreError: No clip was seen.
        """
        with self._all_processes():
            clips, texts, _, _ = self._kept()
        return float((clips * texts).sum(dim=1).mean())

    def margin(self) -> PromptMargin:
        """Mean of cosine to the own prompt minus mean cosine to the other prompts of the same language.

        Raises:
            UndefinedScoreError: Some language has a single prompt.
        """
        with self._all_processes():
            kept = self._kept()
        return prompt_margin(*kept)

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        # A process without clips must send matrices too, or the others wait for them.
        for state in _STATES:
            setattr(self, state, [self._joined(state)])
        super()._sync_dist(*args, **kwargs)

    @contextmanager
    def _all_processes(self) -> Iterator[None]:
        """Inside, what is kept is that of all processes."""
        syncing = self._to_sync and not self._is_synced
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=syncing, should_unsync=syncing):
            yield

    def _append(self, state: str, row: Tensor) -> None:
        getattr(self, state).append(row[None].to(self.device))

    def _kept(self) -> tuple[Tensor, Tensor, Int64[Tensor, " n"], Int64[Tensor, " n"]]:
        clips, texts, keys = map(self._joined, _STATES)
        if not len(clips):
            raise UndefinedScoreError(f"{self.card.name} has seen no clip", hint="call update() first")
        return clips, texts, keys[:, 0], keys[:, 1]

    def _joined(self, state: str) -> Tensor:
        """One row per clip; no rows of the right width where there is no clip."""
        rows = getattr(self, state)
        if len(rows):
            return dim_zero_cat(rows)
        if state == "prompt_keys":
            return torch.zeros(0, 2, dtype=torch.int64, device=self.device)
        return torch.zeros(0, len(self.tower.embed_text("a")), dtype=torch.float64, device=self.device)


class DistractorMargin(_ClipAndPrompt):
    """Cosine of a clip to its own prompt minus its mean cosine to a fixed list of other prompts.

    Of the list at most 64 count per language, the same ones for every clip: those whose SHA-256 comes first. A clip is
    held against those of its own prompt's language, without its own prompt.

    Args:
        distractors: The other prompts; scoring a run gives all prompts of the run. They are part of the metric's id.
        weights: As for the score.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        MetricError: There is no distractor, or a single text in place of a list.
    """

    options_of_a_run = ("distractors",)

    def __init__(self, *, distractors: Sequence[str] = (), weights: str | Path | None = None, **kwargs: Any) -> None:
        if isinstance(distractors, str) or not distractors:
            raise MetricError(
                f"distractors must be a list of at least one prompt, got {distractors!r}",
                hint="give the prompts of the whole set",
            )
        self.distractors = _chosen(distractors)
        super().__init__(weights=weights, **kwargs)

    def measure(self, view: ClipView) -> np.ndarray:
        """Sum of the vectors of so many frames, and behind it their number."""
        batches = self._vectors(view).split(FRAMES_AT_ONCE)
        return np.stack([np.append(batch.sum(dim=0).numpy(), len(batch)) for batch in batches])

    def summarise(self, measured: np.ndarray, view: ClipView) -> float:
        """The margin of one clip.

        Raises:
            UndefinedScoreError: The tower cannot read the prompt, or no distractor is of its language.
        """
        own = self._prompt(view)
        others = [one for one in self.distractors if one != own and bool(east_asian(one)) == bool(east_asian(own))]
        if not others:
            raise UndefinedScoreError(
                f"{self.card.name} has no distractor in the language of {own[:60]!r}",
                hint="score a set with more prompts of that language",
            )
        tower = self.tower
        vectors = torch.stack([tower.embed_text(other) for other in others])
        total = torch.from_numpy(measured.sum(axis=0))
        return margin_over(total[:-1] / total[-1], tower.embed_text(own), vectors)

    def _card(self, tower: PromptTower) -> MetricCard:
        card = super()._card(tower)
        digest = hashlib.sha256("\n".join(self.distractors).encode()).hexdigest()
        return replace(card, policy=f"{card.policy}-vs{len(self.distractors)}-{digest[:6]}")


class TokensCut(_PromptMetric):
    """Tokens of the prompt that lie beyond what the text tower reads: they had no say in the score."""

    def frames_seen(self, frames: int) -> Sequence[int]:
        """The first, as a view has one at least."""
        return range(1)

    def score(self, view: ClipView) -> float:
        """How many there are.

        Raises:
            UndefinedScoreError: The tower cannot read the prompt.
        """
        return float(self.tower.tokens_cut(self._prompt(view)))


def alignment_cards(
    tower: str, title: str, *, weights: str, source: str, sees: str, blind_to: str, policy: str
) -> tuple[MetricCard, MetricCard, MetricCard]:
    """Cards of a tower's score, margin and tokens cut. The hash, and the sizes in the policy, come with the weights."""

    def card(what: str, named: str, **fields: Any) -> MetricCard:
        return MetricCard(
            name=f"{tower}_{what}",
            version=1,
            title=f"{title} {named}",
            level="clip",
            needs=("prompt",),
            family="prompt alignment",
            policy=policy,
            backbone=weights,
            **fields,
        )

    score = card(
        "score",
        "score",
        direction="higher",
        unit="",
        range=(0.0, 100.0),
        formula="mean over frames of 100 max(0, cos(frame, prompt))",
        source=source,
        sees=sees,
        blind_to=f"{blind_to}; not comparable across networks or languages: read it beside {tower}_margin",
    )
    margin = card(
        "margin",
        "margin over other prompts",
        direction="higher",
        unit="cosine",
        range=(-2.0, 2.0),
        formula="cos(clip, own prompt) - mean over distractors of the same language of cos(clip, distractor); "
        "cos(clip, .) is the mean over frames",
        source=f"ours; {source}",
        sees=f"{sees}, in so far as it tells this prompt from others; 0 where prompts are dealt out at random",
        blind_to=f"{blind_to}; a set of prompts that resemble one another has small margins",
    )
    cut = card(
        "tokens_cut",
        "tokens cut",
        direction="lower",
        unit="tokens",
        range=(0.0, None),
        formula="max(0, tokens of the prompt - tokens that the text tower reads)",
        source="ours",
        sees="prompts that are too long for the text tower, whose end no score of it knows",
        blind_to="the clip",
    )
    return score, margin, cut


def _chosen(texts: Sequence[str]) -> tuple[str, ...]:
    """At most 64 per language, by the order of their SHA-256: independent of order and repetition in `texts`."""
    in_order = sorted({text for text in texts if text.strip()}, key=lambda text: hashlib.sha256(text.encode()).digest())
    groups = [[text for text in in_order if bool(east_asian(text)) is asian] for asian in (False, True)]
    return tuple(text for group in groups for text in group[:MOST_DISTRACTORS])


def _number(text: str) -> int:
    """A number that stands for a text in tensors."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
