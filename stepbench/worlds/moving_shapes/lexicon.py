"""The words of the world in English and Chinese, and the sentences they stand in.

A sentence is literal text with slots such as `{a.colour}`; every slot has one vocabulary per language, a two-way table
between values and words. Captions are written and read with these same tables, which is why they always round-trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from stepbench.worlds.moving_shapes.scene import DIRECTIONS, SPEEDS, STILL

LANGUAGES = ("en", "zh")
TEMPLATES = 3
"""Sentences per language and structure."""

Vocabulary = Mapping[Any, str]

SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "single": (
            "{a.count} {a.size} {a.colour} {a.shape} {a.motion0} on {setting}.{camera}",
            "On {setting}, {a.count} {a.size} {a.colour} {a.shape} {a.motion1}.{camera}",
            "There {a.be} {a.count} {a.size} {a.colour} {a.shape} {a.motion2} on {setting}.{camera}",
        ),
        "pair": (
            "{a.count} {a.size} {a.colour} {a.shape} {a.motion0} and "
            "{b.count} {b.size} {b.colour} {b.shape} {b.motion0} on {setting}.",
            "On {setting}, {a.count} {a.size} {a.colour} {a.shape} {a.motion1} while "
            "{b.count} {b.size} {b.colour} {b.shape} {b.motion1}.",
            "There is {a.count} {a.size} {a.colour} {a.shape} {a.motion2} and "
            "{b.count} {b.size} {b.colour} {b.shape} {b.motion2} on {setting}.",
        ),
        "relation": (
            "{a.count} {a.size} {a.colour} {a.shape} is {relation} "
            "{b.count} {b.size} {b.colour} {b.shape} on {setting}, and both {both.motion0}.",
            "On {setting}, {a.count} {a.size} {a.colour} {a.shape} is {relation} "
            "{b.count} {b.size} {b.colour} {b.shape}; both {both.motion1}.",
            "There is {a.count} {a.size} {a.colour} {a.shape} {relation} "
            "{b.count} {b.size} {b.colour} {b.shape} on {setting}, both {both.motion2}.",
        ),
    },
    "zh": {
        "single": (
            "在{setting}上，{a.count}{a.size}{a.colour}{a.shape}{a.motion0}。{camera}",
            "{a.count}{a.size}{a.colour}{a.shape}在{setting}上{a.motion1}。{camera}",
            "{setting}上有{a.count}{a.size}{a.colour}{a.shape}，{a.motion2}。{camera}",
        ),
        "pair": (
            "在{setting}上，{a.count}{a.size}{a.colour}{a.shape}{a.motion0}，"
            "{b.count}{b.size}{b.colour}{b.shape}{b.motion0}。",
            "{a.count}{a.size}{a.colour}{a.shape}在{setting}上{a.motion1}，同时"
            "{b.count}{b.size}{b.colour}{b.shape}{b.motion1}。",
            "{setting}上有{a.count}{a.size}{a.colour}{a.shape}，{a.motion2}；还有"
            "{b.count}{b.size}{b.colour}{b.shape}，{b.motion2}。",
        ),
        "relation": (
            "在{setting}上，{a.count}{a.size}{a.colour}{a.shape}位于"
            "{b.count}{b.size}{b.colour}{b.shape}的{relation}，两者都{both.motion0}。",
            "{a.count}{a.size}{a.colour}{a.shape}在{b.count}{b.size}{b.colour}{b.shape}的{relation}，"
            "两者在{setting}上{both.motion1}。",
            "{setting}上有{a.count}{a.size}{a.colour}{a.shape}，位于"
            "{b.count}{b.size}{b.colour}{b.shape}的{relation}，两者{both.motion2}。",
        ),
    },
}
"""Language -> structure -> sentences. `single` is one group, `pair` two objects, `relation` two with a stated place."""

_ENGLISH_DIRECTION = {
    "left": "to the left",
    "right": "to the right",
    "up": "upwards",
    "down": "downwards",
    "up-left": "to the upper left",
    "up-right": "to the upper right",
    "down-left": "to the lower left",
    "down-right": "to the lower right",
}
_CHINESE_DIRECTION = {
    "left": "向左",
    "right": "向右",
    "up": "向上",
    "down": "向下",
    "up-left": "向左上方",
    "up-right": "向右上方",
    "down-left": "向左下方",
    "down-right": "向右下方",
}
_ENGLISH_SPEED = {"slow": "slowly", "fast": "quickly"}
_CHINESE_SPEED = {"slow": "缓慢地", "fast": "快速地"}
_ENGLISH_PATTERN = {
    "plain": "",
    "grid": "a grid pattern",
    "checks": "a checkered pattern",
    "stripes": "a striped pattern",
    "dots": "a dotted pattern",
}
_CHINESE_PATTERN = {
    "plain": "",
    "grid": "带网格图案",
    "checks": "带棋盘格图案",
    "stripes": "带条纹图案",
    "dots": "带圆点图案",
}
_ENGLISH_CLUTTER = {False: "", True: "scattered specks"}
_CHINESE_CLUTTER = {False: "", True: "散落着碎点"}
_ENGLISH_BACKGROUND = {"black": "black", "grey": "grey", "white": "white"}
_CHINESE_BACKGROUND = {"black": "黑色", "grey": "灰色", "white": "白色"}


def _english_motion(sentence: int, plural: bool) -> Vocabulary:
    move, stay = (("move", "stay") if plural else ("moves", "stays")) if sentence < 2 else ("moving", "staying")
    words: dict[Any, str] = {(STILL, None): f"{stay} still"}
    for direction, speed in product(DIRECTIONS[:-1], SPEEDS):
        way, pace = _ENGLISH_DIRECTION[direction], _ENGLISH_SPEED[speed]
        words[direction, speed] = f"{move} {way} {pace}" if sentence == 1 else f"{move} {pace} {way}"
    return words


def _chinese_motion(sentence: int) -> Vocabulary:
    words: dict[Any, str] = {(STILL, None): ("静止不动", "保持静止", "一动不动")[sentence]}
    for direction, speed in product(DIRECTIONS[:-1], SPEEDS):
        way, pace = _CHINESE_DIRECTION[direction], _CHINESE_SPEED[speed]
        words[direction, speed] = f"{way}{pace}移动" if sentence == 1 else f"{pace}{way}移动"
    return words


def _english_group(plural: bool) -> dict[str, Vocabulary]:
    ending = "es" if plural else ""
    return {
        "count": {2: "two", 3: "three", 4: "four"} if plural else {1: "a"},
        "size": {"small": "small", "medium": "medium-sized", "large": "large"},
        "colour": {name: name for name in ("red", "yellow", "green", "cyan", "blue", "purple")},
        "shape": {
            **{name: name + ending[-1:] for name in ("circle", "square", "triangle")},
            "cross": "cross" + ending,
        },
        "be": {plural: "are" if plural else "is"},
        **{f"motion{sentence}": _english_motion(sentence, plural) for sentence in range(TEMPLATES)},
    }


def _chinese_group() -> dict[str, Vocabulary]:
    return {
        "count": {1: "一个", 2: "两个", 3: "三个", 4: "四个"},
        "size": {"small": "小的", "medium": "中等大小的", "large": "大的"},
        "colour": {"red": "红色", "yellow": "黄色", "green": "绿色", "cyan": "青色", "blue": "蓝色", "purple": "紫色"},
        "shape": {"circle": "圆形", "square": "正方形", "triangle": "三角形", "cross": "十字形"},
        **{f"motion{sentence}": _chinese_motion(sentence) for sentence in range(TEMPLATES)},
    }


def _english_setting(tone: str, pattern: str, clutter: bool) -> str:
    details = " and ".join(filter(None, (_ENGLISH_PATTERN[pattern], _ENGLISH_CLUTTER[clutter])))
    return f"a {_ENGLISH_BACKGROUND[tone]} background" + (f" with {details}" if details else "")


def _chinese_setting(tone: str, pattern: str, clutter: bool) -> str:
    details = "、".join(filter(None, (_CHINESE_PATTERN[pattern], _CHINESE_CLUTTER[clutter])))
    return (f"{details}的" if details else "") + f"{_CHINESE_BACKGROUND[tone]}背景"


GROUP_WORDS: dict[str, dict[bool, dict[str, Vocabulary]]] = {
    "en": {False: _english_group(plural=False), True: _english_group(plural=True)},
    "zh": {False: _chinese_group(), True: _chinese_group()},
}
"""Language -> more than one? -> vocabularies of the slots of a group."""

SCENE_WORDS: dict[str, dict[str, Vocabulary]] = {
    "en": {
        "setting": {
            (tone, pattern, clutter): _english_setting(tone, pattern, clutter)
            for tone, pattern, clutter in product(_ENGLISH_BACKGROUND, _ENGLISH_PATTERN, _ENGLISH_CLUTTER)
        },
        "camera": {
            "static": "",
            "pan-left": " The camera pans to the left.",
            "pan-right": " The camera pans to the right.",
            "pan-up": " The camera pans upwards.",
            "pan-down": " The camera pans downwards.",
            "zoom-in": " The camera zooms in.",
            "zoom-out": " The camera zooms out.",
        },
        "relation": {
            "left-of": "to the left of",
            "right-of": "to the right of",
            "above": "above",
            "below": "below",
        },
    },
    "zh": {
        "setting": {
            (tone, pattern, clutter): _chinese_setting(tone, pattern, clutter)
            for tone, pattern, clutter in product(_CHINESE_BACKGROUND, _CHINESE_PATTERN, _CHINESE_CLUTTER)
        },
        "camera": {
            "static": "",
            "pan-left": "镜头向左平移。",
            "pan-right": "镜头向右平移。",
            "pan-up": "镜头向上平移。",
            "pan-down": "镜头向下平移。",
            "zoom-in": "镜头推近。",
            "zoom-out": "镜头拉远。",
        },
        "relation": {"left-of": "左边", "right-of": "右边", "above": "上方", "below": "下方"},
    },
}
"""Language -> vocabularies of the slots of the scene."""
