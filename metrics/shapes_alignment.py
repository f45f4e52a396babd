"""Prompt alignment by the shipped `shapes` backbone: offline, English and Chinese, for the moving-shapes world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metrics.backbones.prompt_tower import SHAPES
from metrics.prompt_alignment import DistractorMargin, PromptScore, TokensCut, alignment_cards

DISTRACTORS = (
    "A large cyan cross moves slowly upwards on a white background.",
    "On a black background, a large red cross moves to the upper left slowly.",
    "There is a medium-sized yellow square moving quickly to the upper left on a white background.",
    "A small cyan cross moves quickly to the right on a black background.",
    "On a grey background, a medium-sized red triangle stays still.",
    "There is a small green circle moving quickly to the right on a black background.",
    "A large green circle moves slowly to the right on a white background.",
    "On a grey background, a medium-sized cyan cross moves to the lower left slowly.",
    "There is a medium-sized cyan cross moving slowly to the upper right on a grey background.",
    "A large yellow circle moves quickly downwards on a grey background.",
    "On a black background, a large cyan triangle moves to the right slowly.",
    "There is a large green circle moving quickly to the right on a black background.",
    "A small red cross moves quickly downwards and a medium-sized green triangle moves quickly downwards on a "
    "white background.",
    "On a black background, four small red crosses move to the lower left quickly.",
    "There is a medium-sized blue circle staying still on a white background with a grid pattern. The camera "
    "pans to the right.",
    "A small green circle is to the left of a small yellow cross on a grey background, and both stay still.",
    "在白色背景上，一个大的青色十字形缓慢地向上移动。",
    "一个大的红色十字形在黑色背景上向左上方缓慢地移动。",
    "白色背景上有一个中等大小的黄色正方形，快速地向左上方移动。",
    "在黑色背景上，一个小的青色十字形快速地向右移动。",
    "一个中等大小的红色三角形在灰色背景上保持静止。",
    "黑色背景上有一个小的绿色圆形，快速地向右移动。",
    "在白色背景上，一个大的绿色圆形缓慢地向右移动。",
    "一个中等大小的青色十字形在灰色背景上向左下方缓慢地移动。",
    "灰色背景上有一个中等大小的青色十字形，缓慢地向右上方移动。",
    "在灰色背景上，一个大的黄色圆形快速地向下移动。",
    "一个大的青色三角形在黑色背景上向右缓慢地移动。",
    "黑色背景上有一个大的绿色圆形，快速地向右移动。",
    "在白色背景上，一个小的红色十字形快速地向下移动，一个中等大小的绿色三角形快速地向下移动。",
    "四个小的红色十字形在黑色背景上向左下方快速地移动。",
    "带网格图案的白色背景上有一个中等大小的蓝色圆形，一动不动。镜头向右平移。",
    "在灰色背景上，一个小的绿色圆形位于一个小的黄色十字形的左边，两者都静止不动。",
)
"""Captions of 16 scenes, each in English and in Chinese: what a clip's own caption is held against."""

_SCORE, _MARGIN, _CUT = alignment_cards(
    "shapes",
    "Shapes",
    weights=SHAPES,
    policy="16f-32-antialias",
    source="the shapes backbone of this package, a video-text encoder after CLIP (Radford et al., ICML 2021)",
    sees="colour, size, direction, speed, count and background of the shapes, and mostly which shapes they are",
    blind_to="everything outside the moving-shapes world; where of two objects which one is; picture quality",
)


class ShapesScore(PromptScore):
    """100 times the cosine of a clip and its caption, clipped at 0, for captions of the moving-shapes world.

    Captions with a word that the world does not know are refused. Where there is a ground truth, `shape_alignment`
    says more, and without any learned model.

    Example:
        >>> import metrics, torch
        >>> clip = torch.zeros(1, 16, 3, 64, 64, dtype=torch.uint8)
        >>> clip[:, :, 0, 24:40, 24:40] = 255
        >>> score = metrics.build("shapes_score")
        >>> score.update(clip, prompts=["A small red square stays still on a black background."])
        >>> right = float(score.compute())
        >>> score.reset()
        >>> score.update(clip, prompts=["A small blue square stays still on a black background."])
        >>> right > float(score.compute()) + 20
        True
    """

    card = _SCORE
    default_weights = SHAPES
    companions = ("shapes_margin",)


class ShapesMargin(DistractorMargin):
    """How much closer a clip is to its own caption than to a fixed list of 16 other captions of its language."""

    card = _MARGIN
    default_weights = SHAPES
    options_of_a_run = ()

    def __init__(
        self, *, distractors: Sequence[str] = DISTRACTORS, weights: str | Path | None = None, **kwargs: Any
    ) -> None:
        super().__init__(distractors=distractors, weights=weights, **kwargs)


class ShapesTokensCut(TokensCut):
    """Words or Chinese characters of a caption beyond the 64 that the backbone reads."""

    card = _CUT
    default_weights = SHAPES
