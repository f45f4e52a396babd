"""Prompt alignment by CLIP, for English prompts."""

from __future__ import annotations

from metrics.prompt_alignment import DistractorMargin, PromptScore, TokensCut, alignment_cards

WEIGHTS = "clip-vit-base-patch32"

_SCORE, _MARGIN, _CUT = alignment_cards(
    "clip",
    "CLIP",
    weights=WEIGHTS,
    policy="all",
    source="CLIPScore: Hessel et al., EMNLP 2021, with weight 100 in place of 2.5; CLIP: Radford et al., ICML 2021",
    sees="objects, scenes and styles that the prompt names, frame by frame",
    blind_to="motion and order of frames; counts, relations and negation, mostly; all but the first 77 tokens",
)


class CLIPScore(PromptScore):
    """100 times the cosine of frames and an English prompt, clipped at 0, mean over frames.

    Numbers of torchmetrics' `CLIPScore` per frame. Some publish 2.5 times the cosine: divide by 40. Chinese, Japanese
    and Korean prompts are refused: this text tower was not trained on them.

    Example:
        >>> import metrics, torch
        >>> score = metrics.build("clip_score")                                # doctest: +SKIP
        >>> score.update(clips, prompts=["a cat surfing", "a red kite"])       # doctest: +SKIP
        >>> float(score.compute()), score.margin().mean                        # doctest: +SKIP
    """

    card = _SCORE
    default_weights = WEIGHTS
    companions = ("clip_margin", "clip_tokens_cut")


class CLIPMargin(DistractorMargin):
    """How much closer a clip is to its own English prompt than to the other prompts of its set."""

    card = _MARGIN
    default_weights = WEIGHTS


class CLIPTokensCut(TokensCut):
    """Tokens of an English prompt beyond the 77 that CLIP reads."""

    card = _CUT
    default_weights = WEIGHTS
