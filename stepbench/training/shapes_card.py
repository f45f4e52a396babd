"""The model card of the `shapes` backbone for people, from its card for machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_INTRODUCTION = """\
# Model card: `shapes`

A video-text encoder for the moving-shapes world, trained from nothing with a contrastive loss on clips that the world
renders and captions that it writes, in English and Chinese. It serves as the offline backbone for distances between
sets of clips and for prompt alignment **inside that world**. This page is written by
`stepbench/training/shapes_card.py` from `shapes.json`.
"""

_LIMITS = """\
## Limits

- It knows coloured shapes on grey backgrounds. On any other video its numbers mean nothing, and a distance from it is
  not comparable with one from I3D or VideoMAE.
- It knows the {words} words and characters of the world's captions. Other words are ignored; `tokenize` lists them.
- It sees 16 frames of 32x32: nothing finer, and no frame rate. Speed is distance over the whole clip, as in the world.
- Frames are squashed to a square, so a clip that is not square looks distorted to it.
- Where an object lies is known only as far as captions say it (`left of`, `above`).
- A distance between sets cannot see that clips and prompts were exchanged among each other: both sets hold the same
  clips. That is what the alignment is for.
- Clips were lightly blurred, noised, brightened and darkened in half of the training, so slight damage moves the
  embedding little; the features for distances see it (table above).
- Scores come from the same renderer as the training clips, on combinations of colour, shape, size, direction and speed
  that training never showed.
"""


def card_page(card: Mapping[str, Any]) -> str:
    """Markdown with data, recipe, compute, scores and limits.

    Args:
        card: Of `score_weights`.
    """
    scores = card["scores"]
    parts = [
        _INTRODUCTION,
        _facts(card),
        _recipe(card),
        "## Scores on the held-out split\n",
        _attribute_section(scores["attributes"]),
        _gallery_section(scores["caption among 64"]),
        _distance_section(scores["distances"]),
        _LIMITS.format(words=card["vocabulary"]),
    ]
    return "\n".join(parts)


def _facts(card: Mapping[str, Any]) -> str:
    rows = [
        ("sha256", f"`{card['sha256']}`"),
        ("size", f"{card['bytes'] / 1e6:.2f} MB, {card['parameters']:,} parameters, float16"),
        ("sees", f"`{card['policy']}`: 16 frames evenly over the clip, squashed to 32x32"),
        ("gives", f"{card['feature_dimensions']} features; unit vectors of {card['embedding_dimensions']} dimensions"),
        ("world", card["world"]),
    ]
    return _table(("", ""), rows)


def _recipe(card: Mapping[str, Any]) -> str:
    recipe, compute = card["recipe"], card["compute"]
    levels = " and ".join(map(str, recipe["levels"]))
    return f"""\
## Data, recipe and compute

Scenes of the training split of levels {levels}, rendered on the fly; every clip comes with one English and one Chinese
caption, each of one of the three sentences. A batch of {recipe["batch_size"]} clips is made of families of
{recipe["family_size"]} scenes that differ in one attribute, so every caption has its near misses in the batch.
{compute["steps"]} steps, {compute["clips"]:,} clips, AdamW at {recipe["learning_rate"]}, averaged weights (decay
{recipe["ema_decay"]}), seed {recipe["seed"]}: about {compute["minutes"]:.0f} minutes with {compute["threads"]} CPU
thread on a shared machine. Again from the start: `python -m stepbench.training.shapes_export runs/shapes`.
"""


def _attribute_section(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(row["attribute"] for row in rows))
    lines = []
    for name in names:
        for language in ("en", "zh"):
            cells = [_share(row) for row in _chosen(rows, attribute=name, language=language)]
            lines.append((name, language, *cells))
    return (
        "Is the caption nearer to its clip than every caption that differs in this attribute alone (`any`: than all\n"
        "of these together)? Share of clips, 95% Wilson interval, and what guessing reaches.\n\n"
        + _table(("attribute", "language", "level 1", "level 2", "level 3"), lines)
    )


def _gallery_section(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [(language, *[_share(row) for row in _chosen(rows, language=language)]) for language in ("en", "zh")]
    return "The caption of a clip among 64 captions of different clips (guessing: 1.6%).\n\n" + _table(
        ("language", "level 1", "level 2", "level 3"), lines
    )


def _distance_section(distances: Mapping[str, Any]) -> str:
    lines = [
        (row["kind"], f"{row['strength']:g}", f"{row['distance']:.2f}", f"{row['ratio']:.1f}")
        for row in distances["table"]
    ]
    return (
        f"Fréchet distance of the features from {distances['clips']} held-out clips of level 1 to as many others,\n"
        "damaged or not; `ratio` is to the undamaged ones (`real`).\n\n"
        + _table(("damage", "strength", "distance", "ratio"), lines)
    )


def _chosen(rows: Sequence[Mapping[str, Any]], **wanted: str) -> list[Mapping[str, Any] | None]:
    """The row of each level, None where an attribute does not exist on a level."""
    found = {row["level"]: row for row in rows if all(row[key] == value for key, value in wanted.items())}
    return [found.get(level) for level in (1, 2, 3)]


def _share(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    text = f"{row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%}, n {row['n']}"
    return text + (f"; {row['chance']:.0%})" if "chance" in row else ")")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
