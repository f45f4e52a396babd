"""Verdicts, statuses, stages and questions of the built-in protocols as people read them, in three languages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path


def say(text: str, language: str) -> str:
    """A program's word in a language (`en`, `ja` or `zh`); a stranger's word stays as it is, without underscores."""
    found = all_verdicts().get(text)
    return found[language] if found is not None else text.replace("_", " ")


@cache
def all_verdicts() -> Mapping[str, Mapping[str, str]]:
    """Word -> language -> text."""
    return tomllib.loads(Path(__file__).with_name("verdict_words.toml").read_text(encoding="utf-8"))
