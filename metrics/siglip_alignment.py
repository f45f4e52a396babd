"""Prompt alignment by SigLIP 2, for prompts in many languages."""

from __future__ import annotations

from metrics.prompt_alignment import DistractorMargin, PromptScore, TokensCut, alignment_cards

WEIGHTS = "siglip2-base-patch16-224"

_SCORE, _MARGIN, _CUT = alignment_cards(
    "siglip",
    "SigLIP 2",
    weights=WEIGHTS,
    policy="all",
    source="SigLIP 2: Tschannen et al., 2025; form of CLIPScore: Hessel et al., EMNLP 2021",
    sees="objects, scenes and styles that the prompt names, frame by frame, in English, Chinese and other languages",
    blind_to="motion and order of frames; counts, relations and negation, mostly; all but the first 64 tokens",
)


class SigLIPScore(PromptScore):
    """100 times the cosine of frames and a prompt in any language, clipped at 0, mean over frames.

    Cosines of this network are small, since it was trained with a sigmoid: a good fit is at 10 to 20 rather than at 30.
    """

    card = _SCORE
    default_weights = WEIGHTS
    companions = ("siglip_margin", "siglip_tokens_cut")


class SigLIPMargin(DistractorMargin):
    """How much closer a clip is to its own prompt than to the other prompts of its set in the same language."""

    card = _MARGIN
    default_weights = WEIGHTS


class SigLIPTokensCut(TokensCut):
    """Tokens of a prompt beyond the 64 that SigLIP 2 reads."""

    card = _CUT
    default_weights = WEIGHTS
