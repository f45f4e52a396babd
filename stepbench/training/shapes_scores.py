"""How well a video-text encoder tells what a clip of the moving-shapes world shows from what it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import torch
from jaxtyping import UInt8
from scipy.stats import binomtest

from metrics.backbones.shapes import ShapesEncoder
from stepbench.training.near_scenes import ATTRIBUTES, meaning, near_scenes
from stepbench.worlds.moving_shapes.captions import caption
from stepbench.worlds.moving_shapes.lexicon import LANGUAGES, TEMPLATES
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.sampling import pick, sample_scene
from stepbench.worlds.moving_shapes.scene import Scene
from stepbench.worlds.moving_shapes.seeding import keyed_rng

GALLERY = 64


def drawn_scene(split: str, levels: Sequence[int], number: int) -> Scene:
    """Scene of a split, a function of these arguments; the training recipe draws from another stream."""
    rng = keyed_rng(["shapes scores", split, list(levels)], number)
    return sample_scene(pick(levels, rng), rng, split=split)


def drawn_clip(scene: Scene, number: int) -> UInt8[torch.Tensor, "1 17 3 64 64"]:
    """A clip of a scene as a batch of one."""
    return torch.from_numpy(render(scene, number))[None]


def attribute_answers(encoder: ShapesEncoder, numbers: Iterable[int], *, level: int) -> pd.DataFrame:
    """For held-out clips, both languages and every attribute: does the caption beat all that differ in it alone?

    Returns:
        Columns number, level, language, attribute (`any` for all of them at once), options (captions to choose from),
        right (bool) and margin (cosine of the right caption minus the best wrong one).
    """
    rows: list[dict[str, Any]] = []
    for number in numbers:
        scene = drawn_scene("test", (level,), number)
        video = encoder.embed_video(drawn_clip(scene, number))[0]
        wrong = {name: found for name in ATTRIBUTES if (found := near_scenes(scene, name))}
        everything = [scene, *(one for found in wrong.values() for one in found)]
        names = [name for name, found in wrong.items() for _ in found]
        for language in LANGUAGES:
            texts = [caption(one, language, number % TEMPLATES) for one in everything]
            right, *others = (encoder.embed_text(texts) @ video).tolist()
            for attribute in (*wrong, "any"):
                rivals = [value for value, name in zip(others, names, strict=True) if attribute in (name, "any")]
                margin = right - max(rivals)
                what = {"number": number, "level": level, "language": language, "attribute": attribute}
                rows.append({**what, "options": len(rivals) + 1, "right": margin > 0, "margin": margin})
    return pd.DataFrame(rows)


def gallery_answers(encoder: ShapesEncoder, galleries: Iterable[int], *, levels: Sequence[int]) -> pd.DataFrame:
    """For held-out clips among 64 captions of 64 clips that all show something else: is the right one the nearest?

    Returns:
        Columns gallery, language, right (bool).
    """
    rows: list[dict[str, Any]] = []
    for gallery in galleries:
        scenes = _different_scenes(levels, gallery)
        videos = torch.cat([encoder.embed_video(drawn_clip(scene, place)) for place, scene in enumerate(scenes)])
        for language in LANGUAGES:
            texts = [caption(scene, language, place % TEMPLATES) for place, scene in enumerate(scenes)]
            nearest = (videos @ encoder.embed_text(texts).T).argmax(dim=1)
            right = (nearest == torch.arange(GALLERY)).tolist()
            rows += [{"gallery": gallery, "language": language, "right": answer} for answer in right]
    return pd.DataFrame(rows)


def shares(answers: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Share of right answers per group with Wilson's 95% interval (Wilson, 1927).

    Returns:
        The columns of `by`, then share, low, high, n, and chance where the answers say how many options there were.
    """
    grouped = answers.groupby(list(by), sort=False)
    counts = grouped["right"].agg(right="sum", n="size").reset_index()
    pairs = zip(counts["right"].tolist(), counts["n"].tolist(), strict=True)
    intervals = [binomtest(right, n).proportion_ci(method="wilson") for right, n in pairs]
    table = counts[list(by)].assign(
        share=counts["right"] / counts["n"],
        low=[interval.low for interval in intervals],
        high=[interval.high for interval in intervals],
        n=counts["n"],
    )
    if "options" in answers:
        table["chance"] = grouped["options"].agg(lambda options: (1 / options).mean()).to_numpy()
    return table


def _different_scenes(levels: Sequence[int], gallery: int) -> list[Scene]:
    found: dict[Scene, Scene] = {}
    number = gallery * 1_000_000
    while len(found) < GALLERY:
        scene = drawn_scene("test", levels, number)
        found.setdefault(meaning(scene), scene)
        number += 1
    return list(found.values())
