"""Verdicts are said in every language; what strangers wrote stays."""

from __future__ import annotations

import pytest

from stepbench.board.verdict_words import all_verdicts, say


@pytest.mark.parametrize("word", sorted(all_verdicts()))
def test_each_word_is_there_in_every_language(word: str):
    texts = all_verdicts()[word]
    assert list(texts) == ["en", "ja", "zh"]
    assert all(text.strip() for text in texts.values())


def test_strangers_words_stay():
    assert say("regression", "ja") == "後退"
    assert say("my_own_<b>question</b>", "zh") == "my own <b>question</b>"
