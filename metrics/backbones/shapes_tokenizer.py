"""Texts as numbers for the `shapes` backbone: English words and Chinese characters from one small vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from metrics.errors import MetricError

PADDING, UNKNOWN = 0, 1
RESERVED = 2
"""Numbers below this stand for no word of the vocabulary."""

_PIECE = re.compile(r"[\u3400-\u9fff]|[a-z]+|\d+|[^\W\d_a-z\u3400-\u9fff]+")


@dataclass(frozen=True)
class Tokens:
    """A batch of texts.

    Attributes:
        ids: Filled up with `PADDING`.
        truncated: Per text, whether its end was cut off.
        unknown: Per text, the pieces that the vocabulary lacks, in order; each is the number `UNKNOWN`.
    """

    ids: Int64[Tensor, "batch length"]
    truncated: tuple[bool, ...]
    unknown: tuple[tuple[str, ...], ...]


class ShapesTokenizer:
    """Splits texts into pieces and looks these up; the same text always gives the same numbers.

    Args:
        vocabulary: Pieces by number, starting at `RESERVED`.
        length: Pieces of a text that are kept.
    """

    def __init__(self, vocabulary: Sequence[str], length: int = 64) -> None:
        self.vocabulary = tuple(vocabulary)
        self.length = length
        self._numbers = {piece: number for number, piece in enumerate(self.vocabulary, start=RESERVED)}

    def encode(self, texts: Sequence[str], *, pad_to: int | None = None) -> Tokens:
        """Numbers of a batch of texts.

        Args:
            texts: English, Chinese or both mixed.
            pad_to: Length of the result; None takes `length`, whatever the texts, so that a text's numbers do not
                depend on its neighbours. Never below the longest text that is kept.

        Raises:
            MetricError: A single string in place of a sequence, or a text without a word.
        """
        if isinstance(texts, str):
            raise MetricError("texts hold one entry per clip, got a single string", hint="wrap it in a list: [text]")
        pieces = [_checked_pieces(text, place) for place, text in enumerate(texts)]
        kept = [found[: self.length] for found in pieces]
        width = max([self.length if pad_to is None else pad_to, *(len(found) for found in kept)])
        ids = torch.full((len(kept), width), PADDING, dtype=torch.int64)
        for row, found in zip(ids, kept, strict=True):
            row[: len(found)] = torch.tensor([self._numbers.get(piece, UNKNOWN) for piece in found])
        return Tokens(
            ids=ids,
            truncated=tuple(len(found) > self.length for found in pieces),
            unknown=tuple(tuple(piece for piece in found if piece not in self._numbers) for found in pieces),
        )


def split_text(text: str) -> list[str]:
    """Lower-case words, numbers and single Chinese characters; punctuation and spacing carry no meaning here.

    Full-width and other compatibility forms are replaced by the plain ones first (Unicode NFKC).
    """
    return _PIECE.findall(unicodedata.normalize("NFKC", text).lower())


def _checked_pieces(text: str, place: int) -> list[str]:
    pieces = split_text(text)
    if not pieces:
        raise MetricError(f"a text needs at least one word, got {text!r} at position {place}")
    return pieces
