from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_strategies import scenes

from stepbench.errors import UsageError
from stepbench.worlds.moving_shapes import CaptionError, Scene, ShapeGroup, caption, parse_caption
from stepbench.worlds.moving_shapes.lexicon import GROUP_WORDS, LANGUAGES, SCENE_WORDS, SENTENCES, TEMPLATES

RED = ShapeGroup(shape="circle", colour="red", size="large", direction="left", speed="slow")
SCENE = Scene(objects=(RED,), background="black")


@given(scenes(), st.sampled_from(LANGUAGES), st.integers(0, TEMPLATES - 1))
@settings(max_examples=400, deadline=None)
def test_every_scene_comes_back_from_every_caption(scene, language, template):
    assert parse_caption(caption(scene, language, template)) == scene


@given(scenes())
@settings(max_examples=50, deadline=None)
def test_the_languages_and_templates_give_different_texts(scene):
    texts = {caption(scene, language, template) for language in LANGUAGES for template in range(TEMPLATES)}
    assert len(texts) == len(LANGUAGES) * TEMPLATES


def test_captions_read_like_sentences():
    assert caption(SCENE) == "A large red circle moves slowly to the left on a black background."
    assert caption(SCENE, "zh") == "在黑色背景上，一个大的红色圆形缓慢地向左移动。"
    three = replace(RED, count=3, size="small", shape="cross")
    assert caption(replace(SCENE, objects=(three,)), template=2) == (
        "There are three small red crosses moving slowly to the left on a black background."
    )
    still = replace(RED, direction="still", speed=None)
    zoom = replace(SCENE, objects=(still,), pattern="grid", clutter=True, camera="zoom-in")
    assert caption(zoom) == (
        "A large red circle stays still on a black background with a grid pattern and scattered specks. "
        "The camera zooms in."
    )
    assert caption(zoom, "zh") == "在带网格图案、散落着碎点的黑色背景上，一个大的红色圆形静止不动。镜头推近。"
    small = replace(RED, size="small")
    pair = replace(SCENE, objects=(small, replace(small, colour="blue")), relation="left-of")
    assert caption(pair, template=1) == (
        "On a black background, a small red circle is to the left of a small blue circle; both move to the left slowly."
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabularies_are_two_way(language):
    groups = [words for number in (False, True) for words in GROUP_WORDS[language][number].values()]
    for vocabulary in [*groups, *SCENE_WORDS[language].values()]:
        assert len(set(vocabulary.values())) == len(vocabulary)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_structure_has_all_templates(language):
    assert {len(sentences) for sentences in SENTENCES[language].values()} == {TEMPLATES}


@pytest.mark.parametrize(
    "text",
    [
        "  a LARGE red circle  moves slowly to the left on a black background ",
        "在黑色背景上, 一个大的红色圆形缓慢地向左移动",
    ],
)
def test_case_spacing_and_punctuation_do_not_matter(text):
    assert parse_caption(text) == SCENE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A large pink circle moves slowly to the left on a black background.", "does not know 'pink'"),
        ("A large red circl moves slowly to the left on a black background.", "know 'circl'.*\n.*did you mean circle"),
        ("在黑色背景上，一个大的粉色圆形缓慢地向左移动。", "does not know '粉色'.*\n.*色"),
        ("一只猫在跑", "does not know '一只猫'"),
        ("Three a red circle", "every word is known, but they form no sentence"),
        ("A large red circles moves slowly to the left on a black background.", "they form no sentence"),
        ("", "a caption must not be empty\n.*A large red circle"),
        (
            "Two large red circles move slowly to the left on a black background.",
            "no scene: several objects must be small",
        ),
        ("A large red circle moves slowly to the left on a black background. The camera zooms in.", "cannot be seen"),
    ],
)
def test_texts_outside_the_grammar_are_refused(text, message):
    with pytest.raises(CaptionError, match=message):
        parse_caption(text)


def test_unknown_language_and_template():
    with pytest.raises(UsageError, match="en and zh, got 'fr'"):
        caption(SCENE, "fr")
    with pytest.raises(UsageError, match="template must be 0 to 2, got 3"):
        caption(SCENE, "en", 3)
