"""Which prompt a file name means, where a tool names clips by the prompt's text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

CUT_LENGTHS = (180,)
"""Characters at which tools cut long prompts: VBench-2.0 keeps 180."""
MIN_CUT_BYTES = 200
"""A name at least this long may be a prompt cut by a file system, most of which allow 255 bytes."""

Finder = Callable[[str], list[str]]


@dataclass(frozen=True, kw_only=True)
class NameMatch:
    """The outcome for one name.

    Attributes:
        prompt_id: The prompt, or None if no prompt or more than one fits.
        looseness: 0 for the very text, more for every step away from it.
        note: How it was matched if not exactly, or why it was not.
    """

    prompt_id: str | None
    looseness: int = 0
    note: str = ""


class NameMatcher:
    """Finds prompts by name: the exact text first, then ever looser readings, each only if one prompt fits it.

    Args:
        texts: (prompt id, the text a file would be named by).
    """

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._texts = list(texts)
        self._composed = [(prompt_id, composed(text)) for prompt_id, text in self._texts]
        self._exact: list[tuple[str, Finder]] = [
            ("", self._finder(str)),
            ("matched in another Unicode form", self._finder(composed)),
        ]
        self._loose: list[tuple[str, Finder]] = [
            ("matched by the prompt's beginning", self._beginning),
            ("matched without regard to case", self._finder(lambda text: composed(text).casefold())),
            ("matched by letters and digits only", self._finder(_letters_only)),
        ]

    def match(self, name: str) -> NameMatch:
        """The prompt that `name` (without number and ending) means."""
        return self._first(name, self._exact + self._loose)

    def match_exactly(self, name: str) -> NameMatch:
        """As `match`, but only the text itself, in any Unicode form."""
        return self._first(name, self._exact)

    def _first(self, name: str, finders: list[tuple[str, Finder]]) -> NameMatch:
        for looseness, (note, find) in enumerate(finders):
            found = find(name)
            if len(found) == 1:
                return NameMatch(prompt_id=found[0], looseness=looseness, note=note)
            if found:
                return NameMatch(prompt_id=None, note=f"fits {len(found)} prompts: {', '.join(found[:4])}")
        return NameMatch(prompt_id=None, note="no prompt has this text")

    def _finder(self, key: Callable[[str], str]) -> Finder:
        index: dict[str, list[str]] = {}
        for prompt_id, text in self._texts:
            if key(text):
                index.setdefault(key(text), []).append(prompt_id)
        return lambda name: index.get(key(name), [])

    def _beginning(self, name: str) -> list[str]:
        name = composed(name)
        if len(name) not in CUT_LENGTHS and len(name.encode()) < MIN_CUT_BYTES:
            return []
        return [prompt_id for prompt_id, text in self._composed if text.startswith(name)]


def composed(text: str) -> str:
    """`text` in Unicode's composed form, in which equal-looking texts are equal."""
    return unicodedata.normalize("NFC", text)


def _letters_only(text: str) -> str:
    # Slashes, quotes, colons and blanks are what tools replace to get a legal file name.
    return "".join(char for char in composed(text).casefold() if char.isalnum())
