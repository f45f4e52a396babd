"""What a run must hold so that it cannot break the pages for all others: runs come from strangers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepbench.errors import RunFolderError

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS = ("higher", "lower", "neutral")
_CARD_TEXTS = ("id", "name", "title", "unit", "family", "policy", "formula", "source", "sees", "blind_to")
_SAMPLE_TEXTS = ("prompt_id", "text", "language", "category")


def check_cards(cards: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a metric card that lacks a text, or whose direction nobody knows.

    Raises:
        RunFolderError: Names the metric and the field.
    """
    for metric_id, card in cards.items():
        for field in _CARD_TEXTS:
            if not isinstance(card.get(field), str):
                raise _broken(f"card of metric {metric_id!r}: {field} must be text, got {card.get(field)!r}")
        if card.get("direction") not in DIRECTIONS:
            known = ", ".join(DIRECTIONS)
            raise _broken(f"card of metric {metric_id!r}: direction must be {known}, got {card.get('direction')!r}")


def check_texts(samples: pd.DataFrame) -> None:
    """Refuse prompts whose id, text, language or category is not text.

    Raises:
        RunFolderError: Names the field and the value.
    """
    for field in _SAMPLE_TEXTS:
        for value in samples[field]:
            if not isinstance(value, str) or not value:
                raise _broken(f"prompts: {field} must be text that is not empty, got {value!r}")


def _broken(message: str) -> RunFolderError:
    return RunFolderError(message, hint="make the run again with this version, or restore it from a copy")
