"""What every reader of a prompt file hands over: rows with their place in the file, and who made them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stepbench.records import SAFE_ID

UNCATEGORISED = "uncategorised"


@dataclass(frozen=True, kw_only=True)
class PromptRow:
    """One prompt as a file gives it. What the file does not say is None and filled in later.

    Attributes:
        where: `file:line`, for error messages.
        text: Exactly as it stands in the file.
        id: The file's own id, safe or not.
    """

    where: str
    text: str
    id: str | None = None
    language: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    pair_id: str | None = None
    split: str | None = None
    ground_truth: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who made a prompt set; becomes the card of the imported suite."""

    name: str
    title: str
    licence: str = "unknown"
    source: str = "unknown"
    citation: str = "none"


@dataclass(frozen=True, kw_only=True)
class ParsedPrompts:
    """All rows of a file, or of a folder of files.

    Attributes:
        rows: In the order of the file.
        origin: Facts for the suite's card.
        id_prefix: Stands before the running number in ids that the file does not give.
        merged: Rows that were merged into an earlier row of the same text: `file:line` -> `file:line` of that row.
        ignored_keys: Keys or columns that have no place in a suite.
        notes: Sentences for the import report.
    """

    rows: tuple[PromptRow, ...]
    origin: Origin
    id_prefix: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    ignored_keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def slug(text: str, limit: int = 40) -> str:
    """The ASCII letters and digits of `text` in lower case, words joined by hyphens, at most `limit` characters.

    Accents fall away (`façades` becomes `facades`); other scripts leave nothing.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", plain))
    if len(words) <= limit:
        return words
    whole_words = words[: limit + 1].rpartition("-")[0]
    return whole_words or words[:limit]


def is_safe(text: str) -> bool:
    """Whether `text` may serve as an id."""
    return SAFE_ID.fullmatch(text) is not None


def has_han(text: str) -> bool:
    """Whether a Han character stands in `text` (the unified blocks and their extensions)."""
    return any("㐀" <= char <= "鿿" or "豈" <= char <= "﫿" or "\U00020000" <= char <= "\U0003ffff" for char in text)
