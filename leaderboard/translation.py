"""Interface texts in English, Japanese and Chinese: `words/<page>.toml` has a table per text. No Streamlit."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "ja": "日本語", "zh": "中文"}
"""Code -> the language's name in itself."""

_FOLDER = Path(__file__).with_name("words")


@dataclass(frozen=True)
class Words:
    """The texts of one page in one language; `words("title", n=3)` fills `{n}`."""

    page: str
    language: str

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`. Values are put in as they are: escape strangers' texts first.

        Raises:
            KeyError: No such text, or a value that it needs is missing.
        """
        return _texts(self.page)[key][self.language].format(**values)


def language_of(asked: str | None, locale: str | None) -> str:
    """The language that a page speaks: the one asked for, else that of the browser, else English.

    Args:
        asked: A code of `LANGUAGES`, from the address; anything else counts as not asked.
        locale: Of the browser, such as `ja-JP`.
    """
    for code in (asked, (locale or "").lower().partition("-")[0]):
        if code in LANGUAGES:
            return code
    return "en"


def note_of_language(code: str) -> str:
    """For `st.html`: tells the document its language, by which screen readers choose a voice and browsers a font."""
    if code not in LANGUAGES:
        raise ValueError(f"a language is one of {', '.join(LANGUAGES)}, got {code!r}")
    return f"<script>document.documentElement.lang = '{code}'</script>"


def pages() -> list[str]:
    """Names of the pages that have texts."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def placeholders(text: str) -> set[str]:
    """Names of the values that a text wants."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@cache
def _texts(page: str) -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((_FOLDER / f"{page}.toml").read_text(encoding="utf-8"))
