"""Prompt alignment by X-CLIP, whose clip tower sees frames together, for English prompts."""

from __future__ import annotations

from metrics.prompt_alignment import DistractorMargin, PromptScore, TokensCut, alignment_cards

WEIGHTS = "xclip-base-patch32"

_SCORE, _MARGIN, _CUT = alignment_cards(
    "xclip",
    "X-CLIP",
    weights=WEIGHTS,
    policy="8mid-towers",
    source="X-CLIP: Ni et al., ECCV 2022, cosine of its two towers; form of CLIPScore: Hessel et al., EMNLP 2021",
    sees="objects, scenes and human actions that the prompt names, over 8 frames of the clip",
    blind_to="whatever happens between these frames; fine motion; all but the first 77 tokens",
)


class XCLIPScore(PromptScore):
    """100 times the cosine of a clip and an English prompt, clipped at 0.

    The cosine is that of the two towers. X-CLIP's own classifier conditions the text on the clip first, which is
    another number; the policy in the id says `towers`. Clips of fewer frames than the network takes are refused.
    """

    card = _SCORE
    default_weights = WEIGHTS
    companions = ("xclip_margin", "xclip_tokens_cut")


class XCLIPMargin(DistractorMargin):
    """How much closer a clip is to its own English prompt than to the other prompts of its set."""

    card = _MARGIN
    default_weights = WEIGHTS


class XCLIPTokensCut(TokensCut):
    """Tokens of an English prompt beyond the 77 that X-CLIP reads."""

    card = _CUT
    default_weights = WEIGHTS
