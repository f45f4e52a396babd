"""Prompt alignment by Chinese-CLIP, for Chinese prompts."""

from __future__ import annotations

from metrics.prompt_alignment import DistractorMargin, PromptScore, TokensCut, alignment_cards

WEIGHTS = "chinese-clip-vit-base-patch16"

_SCORE, _MARGIN, _CUT = alignment_cards(
    "chinese_clip",
    "Chinese-CLIP",
    weights=WEIGHTS,
    policy="all",
    source="Chinese-CLIP: Yang et al., 2022; form of CLIPScore: Hessel et al., EMNLP 2021",
    sees="objects, scenes and styles that a Chinese prompt names, frame by frame",
    blind_to="motion and order of frames; counts, relations and negation, mostly; all but the first 52 tokens",
)


class ChineseCLIPScore(PromptScore):
    """100 times the cosine of frames and a Chinese prompt, clipped at 0, mean over frames.

    Prompts without a Chinese character are refused: this text tower was trained on Chinese.
    """

    card = _SCORE
    default_weights = WEIGHTS
    companions = ("chinese_clip_margin", "chinese_clip_tokens_cut")


class ChineseCLIPMargin(DistractorMargin):
    """How much closer a clip is to its own Chinese prompt than to the other Chinese prompts of its set."""

    card = _MARGIN
    default_weights = WEIGHTS


class ChineseCLIPTokensCut(TokensCut):
    """Tokens of a Chinese prompt beyond the 52 that Chinese-CLIP was trained on."""

    card = _CUT
    default_weights = WEIGHTS
