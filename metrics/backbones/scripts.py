"""Which script a prompt is written in: a text tower that was trained on English has nothing to say about Chinese."""

from __future__ import annotations

import re

_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


def east_asian(text: str) -> str:
    """The first Chinese character, kana or Hangul syllable of a text; empty where there is none."""
    found = _EAST_ASIAN.search(text)
    return found.group() if found else ""
