"""Does the prompt name a character, a work or a brand?"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from metrics.backbones.scripts import east_asian
from metrics.errors import MetricError
from metrics.governance.flag import ReviewFlag, flag_card
from metrics.view import ClipView

SHIPPED = Path(__file__).with_suffix(".txt")
FILE_VARIABLE = "STEPBENCH_NAMED_CHARACTERS"


class NamedCharacters(ReviewFlag):
    """Flags prompts that contain a name of a list.

    The clip is not looked at: a model may paint a character that no prompt named, and may not paint one that is named.
    Common words that are names as well (`金刚`, `Hulk`) flag more than they should, which is the side to err on.

    Args:
        names: A file with one name per line, or the names themselves. By default the file that the variable
            STEPBENCH_NAMED_CHARACTERS names, else the short list of this package. The list is part of the metric's id.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        MetricError: The file cannot be read, or holds no name.

    Example:
        >>> import metrics, torch
        >>> flag = metrics.build("named_characters")
        >>> flag.update(torch.zeros(2, 1, 3, 8, 8, dtype=torch.uint8), prompts=["Mickey Mouse waves", "a mouse waves"])
        >>> float(flag.compute())
        0.5
    """

    card = flag_card(
        "named_characters",
        "Named character or brand in the prompt",
        needs=("prompt",),
        policy="list",
        formula="1 if the prompt contains a name of the list, as a whole word where it is in Latin letters, else 0",
        source="ours",
        sees="names of the list, in any case, with full-width letters and accents as they are",
        blind_to="the clip; names that the list lacks; descriptions, allusions and misspellings",
    )

    def __init__(self, *, names: str | Path | Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = _read(names)
        digest = hashlib.sha256("\n".join(sorted(self.names)).encode()).hexdigest()
        self.card = replace(type(self).card, policy=f"list-{digest[:8]}")
        self._pattern = re.compile("|".join(map(_pattern, sorted(self.names, key=len, reverse=True))))

    def frames_seen(self, frames: int) -> Sequence[int]:
        """The first, as a view has one at least."""
        return range(1)

    def reason(self, view: ClipView) -> str:
        """The names that the prompt contains."""
        found = dict.fromkeys(match.group() for match in self._pattern.finditer(_plain(view.prompt or "")))
        return f"the prompt names {', '.join(found)}" if found else ""


def _read(names: str | Path | Sequence[str] | None) -> frozenset[str]:
    source = names if names is not None else os.environ.get(FILE_VARIABLE) or SHIPPED
    if isinstance(source, str | Path):
        try:
            lines = Path(source).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise MetricError(
                f"the list of names {str(source)!r} cannot be read: {error}",
                hint=f"give a UTF-8 text file as names=..., or in {FILE_VARIABLE}",
            ) from error
    else:
        lines = list(source)
    found = frozenset(_plain(line) for raw in lines if (line := raw.partition("#")[0].strip()))
    if not found:
        raise MetricError(f"a list of names must hold at least one, {str(source)!r} holds none")
    return found


def _plain(text: str) -> str:
    """One spelling of equal letters, lower-case, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())


def _pattern(name: str) -> str:
    return re.escape(name) if east_asian(name) else rf"(?<!\w){re.escape(name)}(?!\w)"
