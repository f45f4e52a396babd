"""What the model cards of the shipped small models say in words; the numbers come from runs and scores.

Fields in braces are settings of sampling, and `certainty`, `fit` and `least` are those of the simulated annotator.
"""

from __future__ import annotations

from stepbench.training.tiny_stages import BASE, PREFERRED, TURBO

_TINY = """\
A small Step-Video-T2V (the same code at a small size) that draws one moving shape before a flat background, as an
English or a Chinese caption of the moving-shapes world says. VAE, text encoders and transformer are trained from
nothing; no weights and no clips of anybody else went into it.
"""
_TURBO = """\
`tiny`, distilled to {num_steps} steps without guidance: the student learns the straight line from the noise of each
clip that `tiny` sampled to that clip (a second rectified flow, as for Step-Video's Turbo model). Of the weights, only
the transformer is its own.
"""
_DPO = """\
`tiny` after Video-DPO on pairs of a clip of its own and one of the world. **The preferences come from a simulated
annotator, not from people: no human voted.** It scores each clip with the ground truth of the moving-shapes world:
right answers count, and so does a clean outline. So this model shows how the method works from end to end, and nothing
about what people like. Its weights lie on the line between those of `tiny` and those of the end of the training
(`kept_change` of the recipe). Of the weights, only the transformer is its own.
"""
_WRITTEN = "\nThis page is written by `python -m stepbench.training.tiny_card`.\n"
INTRODUCTIONS = {BASE: _TINY + _WRITTEN, TURBO: _TURBO + _WRITTEN, PREFERRED: _DPO + _WRITTEN}

DATA = {
    BASE: "The training split of moving-shapes, level 1, with captions in English and Chinese.\n",
    TURBO: "Clips of `tiny`, with its own steps and guidance, for captions of the training split in both languages.\n",
    PREFERRED: """\
Several clips of `tiny` without guidance for each caption of the training split, of other scenes than those that `tiny`
learned from, each compared by the simulated annotator with a clip that the world draws for the same caption. A clip's
score is its number of right answers plus {fit:g} times the overlap of what it shows with a clean shape; the clip whose
score is higher by d gets a share of 1 / (1 + exp(-{certainty:g} d)) of the votes. Pairs that differ by less than
{least:g} are ties and left out.
""",
}
WORLD = """\
The package itself draws the clips of moving-shapes and writes the captions. No combination of colour, shape, size,
direction and speed is in both the training split and the test split.
"""

STAGE_NAMES = {"vae": "VAE", "flow": "transformer and text encoders", "distill": "distillation", "dpo": "DPO"}

SCORES = """\
Share of what the captions of the test split ask for that the checker of the world finds in the clips, with 95%
intervals over scenes; a caption and its translation are one scene. `dealt anew`: the same clips against captions of
other scenes.
"""

_LEGEND = """\
Lines without points are means over a small part of the training, points are figures of held-out data, and lines at the
same height cover each other.
"""
CURVES = {
    BASE: _LEGEND,
    TURBO: _LEGEND,
    PREFERRED: _LEGEND
    + "The reference is `tiny`: winners above 0 have become less likely, and losers above 0 too, as they should.\n"
    "All curves are of the whole change of the weights, of which the model keeps a share.\n",
}

_LIMITS = (
    "One object, no textures, no moving camera.",
    "Other words than those of the world's captions mean nothing to it.",
    "Edges are soft, and small shapes are taken for one another.",
)
LIMITS = {
    BASE: _LIMITS,
    TURBO: (
        *_LIMITS,
        "It is only meant for its {num_steps} steps without guidance.",
        "It learned from clips of `tiny`, so it learned their mistakes too.",
    ),
    PREFERRED: (
        *_LIMITS,
        "It was optimised for the same checker that judges it: better scores here are no evidence of better clips"
        " in any other sense.",
        "The votes are simulated: no result of it can stand for one with votes of people.",
    ),
}
