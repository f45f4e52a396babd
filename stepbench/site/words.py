"""Texts of the exported pages in one language, from `words.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stepbench.errors import UsageError

LANGUAGES = ("en", "ja", "zh")


@dataclass(frozen=True)
class Words:
    """`words("first_of", shown=3, total=9)` is the text with its values.

    Raises:
        UsageError: The pages do not speak the language.
    """

    language: str

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise UsageError(
                f"the pages do not speak {self.language!r}", hint=f"choose --lang from {', '.join(LANGUAGES)}"
            )

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, its values put in as they are; templates escape it afterwards.

        Raises:
            KeyError: There is no such text, or a value is missing.
        """
        return all_texts()[key][self.language].format(**values)


@cache
def all_texts() -> dict[str, dict[str, str]]:
    """Key -> language -> text."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
