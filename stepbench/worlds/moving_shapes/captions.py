"""Captions of scenes in English and Chinese, and scenes from captions: one grammar, used in both directions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Any

from stepbench.errors import StepbenchError, UsageError
from stepbench.worlds.moving_shapes.lexicon import (
    GROUP_WORDS,
    LANGUAGES,
    SCENE_WORDS,
    SENTENCES,
    TEMPLATES,
    Vocabulary,
)
from stepbench.worlds.moving_shapes.scene import Scene, SceneError, ShapeGroup

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_FULL_WIDTH = str.maketrans({",": "，", ".": "。", ";": "；"})


class CaptionError(StepbenchError):
    """A text that is no caption of the world; the message names what was not understood."""


def caption(scene: Scene, language: str = "en", template: int = 0) -> str:
    """Describe a scene.

    Args:
        scene: What the clip shows.
        language: `en` or `zh`.
        template: Which of the `TEMPLATES` sentences, 0 to 2. All say the same.

    Raises:
        UsageError: A language or template that does not exist.
    """
    if language not in LANGUAGES:
        raise UsageError(f"captions are written in {' and '.join(LANGUAGES)}, got {language!r}")
    if template not in range(TEMPLATES):
        raise UsageError(f"template must be 0 to {TEMPLATES - 1}, got {template!r}")
    form = _Form(language, _structure(scene), scene.objects[0].count > 1, template)
    text = form.sentence.format_map(_Words(form, scene))
    return text[0].upper() + text[1:]


def parse_caption(text: str) -> Scene:
    """The scene that a caption describes. Case, spacing, the last full stop and ASCII commas in Chinese do not matter.

    Raises:
        CaptionError: A word the world does not know, words it knows in an order it does not, or a scene that breaks
            the rules of the world.
    """
    language = "zh" if _CHINESE.search(text) else "en"
    if not text.strip():
        raise CaptionError("a caption must not be empty", hint=f"a caption reads like: {_example(language)}")
    plain = _normalised(text, language)
    for form in _forms(language):
        match = _regex(form).fullmatch(plain)
        if match:
            try:
                return form.scene(match.groupdict())
            except SceneError as error:
                raise CaptionError(
                    f"the caption {text!r} describes no scene: {error.message}", hint=error.hint
                ) from error
    unknown = _first_unknown(plain, language)
    if unknown:
        cutoff = {"en": 0.7, "zh": 0.5}[language]  # two of four letters are chance, one of two characters is not
        close = difflib.get_close_matches(unknown, _known_words(language), n=3, cutoff=cutoff)
        raise CaptionError(
            f"the moving-shapes world does not know {unknown!r} in {text!r}",
            hint=f"did you mean {' or '.join(close)}?" if close else f"a caption reads like: {_example(language)}",
        )
    raise CaptionError(
        f"every word is known, but they form no sentence of the moving-shapes world: {text!r}",
        hint=f"a caption reads like: {_example(language)}",
    )


def _structure(scene: Scene) -> str:
    if len(scene.objects) == 1:
        return "single"
    return "pair" if scene.relation is None else "relation"


@dataclass(frozen=True)
class _Form:
    """One sentence of the grammar."""

    language: str
    structure: str
    plural: bool
    template: int

    @property
    def sentence(self) -> str:
        return SENTENCES[self.language][self.structure][self.template]

    def vocabulary(self, slot: str) -> Vocabulary:
        """The two-way table of a slot such as `a.colour` or `setting`."""
        group, dot, name = slot.partition(".")
        if not dot:
            return SCENE_WORDS[self.language][slot]
        return GROUP_WORDS[self.language][self.plural or group == "both"][name]

    @property
    def slots(self) -> Iterator[tuple[str, str | None]]:
        """Literal text, then the slot that follows it."""
        for literal, slot, _, _ in Formatter().parse(self.sentence):
            yield literal, slot

    def scene(self, words: dict[str, str]) -> Scene:
        """The scene of a match, by looking every word up backwards."""
        values = {slot: _backwards(self.vocabulary(slot))[word] for slot, word in _unflatten(words)}
        background, pattern, clutter = values["setting"]
        return Scene(
            objects=tuple(self._group(name, values) for name in (("a",) if self.structure == "single" else ("a", "b"))),
            background=background,
            pattern=pattern,
            clutter=clutter,
            camera=values.get("camera", "static"),
            relation=values.get("relation"),
        )

    def _group(self, name: str, values: dict[str, Any]) -> ShapeGroup:
        mover = "both" if self.structure == "relation" else name
        direction, speed = values[f"{mover}.motion{self.template}"]
        attributes = {key: values[f"{name}.{key}"] for key in ("count", "size", "colour", "shape")}
        return ShapeGroup(**attributes, direction=direction, speed=speed)


class _Words(dict):
    """The words of a scene, looked up slot by slot for `str.format_map`."""

    def __init__(self, form: _Form, scene: Scene) -> None:
        first = scene.objects[0]
        groups = {"a": first, "b": scene.objects[-1], "both": first}
        super().__init__({name: _GroupWords(form, name, group) for name, group in groups.items()})
        for slot, value in (
            ("setting", (scene.background, scene.pattern, scene.clutter)),
            ("camera", scene.camera),
            ("relation", scene.relation),
        ):
            self[slot] = form.vocabulary(slot).get(value, "")


class _GroupWords:
    def __init__(self, form: _Form, name: str, group: ShapeGroup) -> None:
        self._form, self._name, self._group = form, name, group

    def __getattr__(self, attribute: str) -> str:
        if attribute == "be":
            value: Any = self._group.count > 1
        elif attribute.startswith("motion"):
            value = (self._group.direction, self._group.speed)
        else:
            value = getattr(self._group, attribute)
        return self._form.vocabulary(f"{self._name}.{attribute}")[value]


@cache
def _forms(language: str) -> tuple[_Form, ...]:
    return tuple(
        _Form(language, structure, plural, template)
        for structure, sentences in SENTENCES[language].items()
        for plural in ((False, True) if structure == "single" else (False,))
        for template in range(len(sentences))
    )


@cache
def _regex(form: _Form) -> re.Pattern[str]:
    parts = []
    for literal, slot in form.slots:
        parts.append(re.escape(literal.lower()))
        if slot is not None:
            words = sorted((word.lower() for word in form.vocabulary(slot).values()), key=len, reverse=True)
            parts.append(f"(?P<{slot.replace('.', '__')}>{'|'.join(map(re.escape, words))})")
    return re.compile("".join(parts))


def _unflatten(words: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, word in words.items():
        yield name.replace("__", "."), word


def _backwards(vocabulary: Vocabulary) -> dict[str, Any]:
    return {word.lower(): value for value, word in vocabulary.items()}


def _normalised(text: str, language: str) -> str:
    text = text.strip().lower()
    if language == "zh":
        text = re.sub(r"\s+", "", text).translate(_FULL_WIDTH)
        return text if text.endswith("。") else text + "。"
    text = re.sub(r"\s+", " ", text)
    return text if text.endswith(".") else text + "."


@cache
def _known_words(language: str) -> frozenset[str]:
    """All words of a language; in Chinese, which has no spaces, all literal pieces and vocabulary entries."""
    pieces: set[str] = set()
    for form in _forms(language):
        for literal, slot in form.slots:
            pieces.add(literal.lower())
            pieces.update(word.lower() for word in (form.vocabulary(slot).values() if slot else ()))
    if language == "en":
        return frozenset(word for piece in pieces for word in re.findall(r"[a-z-]+", piece))
    # Compound entries are cut where one of their words ends, so that an unknown word inside them stands out.
    words = {word for piece in pieces for word in re.split(r"(?<=[地的])|(?<=镜头)|(?=移动|向|背景)|[，。；、]", piece)}
    return frozenset((pieces | words) - {""})


def _first_unknown(text: str, language: str) -> str:
    """The first word that is not in the vocabulary, or an empty string."""
    known = _known_words(language)
    if language == "en":
        return next((word for word in re.findall(r"[^\s.,;]+", text) if word not in known), "")
    start = position = 0
    while position < len(text):
        length = next((n for n in range(len(text) - position, 0, -1) if text[position : position + n] in known), 0)
        length = length or int(text[position] in "，。；、")
        if length and position > start:
            break
        position += length or 1
        start = position if length else start
    return text[start:position]


def _example(language: str) -> str:
    group = ShapeGroup(shape="circle", colour="red", size="large", direction="left", speed="slow")
    return caption(Scene(objects=(group,), background="black"), language)
