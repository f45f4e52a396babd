"""When two prompts say the same: texts without what does not change what is asked for."""

from __future__ import annotations

import unicodedata


def normalised_text(text: str) -> str:
    """Letters, marks and digits of a text alone, in compatibility form and without case.

    `A red ball, rolling.` and `a  RED－ball rolling` are one text. Spaces go as well: a hyphen, a space and neither are
    three ways to write one word, and Chinese has none. Of a text without letters and digits everything but spaces
    stays.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(sign for sign in folded if unicodedata.category(sign)[0] in "LMN")
    # Once more: letters and accents that a sign stood between may have met.
    return unicodedata.normalize("NFKC", kept) or "".join(folded.split())
