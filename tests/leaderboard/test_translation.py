"""Interface texts: every one in every language, with the same values to fill in."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import leaderboard
from leaderboard.translation import LANGUAGES, Words, language_of, note_of_language, pages, placeholders

FOLDER = Path(leaderboard.__file__).with_name("words")


@pytest.mark.parametrize("page", pages())
def test_each_text_is_there_in_every_language_with_the_same_values(page):
    texts = tomllib.loads((FOLDER / f"{page}.toml").read_text(encoding="utf-8"))
    assert texts
    for key, by_language in texts.items():
        assert list(by_language) == list(LANGUAGES), f"{page}.{key}"
        assert all(text.strip() for text in by_language.values()), f"{page}.{key}"
        wanted = {language: placeholders(text) for language, text in by_language.items()}
        assert len(set(map(frozenset, wanted.values()))) == 1, f"{page}.{key} wants other values: {wanted}"


def test_words_speak_the_language_and_refuse_unknown_texts():
    assert Words("frame", "ja")("language") == "表示言語"
    with pytest.raises(KeyError, match="no_such_text"):
        Words("frame", "en")("no_such_text")


@pytest.mark.parametrize(
    ("asked", "locale", "language"),
    [
        ("zh", "ja-JP", "zh"),
        (None, "ja-JP", "ja"),
        (None, "ZH", "zh"),
        ("xx", "fr-FR", "en"),
        (None, None, "en"),
        ("<script>", "", "en"),
    ],
)
def test_the_address_wins_then_the_browser_then_english(asked, locale, language):
    assert language_of(asked, locale) == language


def test_the_document_is_told_its_language_and_nothing_else():
    assert note_of_language("ja") == "<script>document.documentElement.lang = 'ja'</script>"
    with pytest.raises(ValueError, match="a language is one of en, ja, zh"):
        note_of_language("'; alert(1) //")


def test_placeholders():
    assert placeholders("{n} of {total} {{}}") == {"n", "total"}


@pytest.mark.parametrize(
    "script",
    [*FOLDER.parent.glob("pages/*.py"), *FOLDER.parent.glob("voting/*_page.py"), *FOLDER.parent.glob("*app.py")],
)
def test_no_value_stands_alone_in_a_script_of_a_page(script):
    # Streamlit shows what stands alone in the script that it runs, behind the docstring at its beginning.
    tree = ast.parse(script.read_text(encoding="utf-8"))
    assert [node.lineno for node in tree.body[1:] if isinstance(node, ast.Expr)] == []
