"""All external weights in one list: those of generators, and those that metrics need."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from metrics.weights import WEIGHTS, weights_folder
from stepbench.errors import UsageError
from stepbench.weights.external import EXTERNAL_WEIGHTS

_HUB_HOST = "huggingface.co"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One entry.

    Attributes:
        name: Of the file or folder below the weights folder as well.
        purpose: What it is for.
        used_by: What a user types to use it.
        address: Of a file, or of a page of the Hugging Face hub.
        licence: SPDX id, or what is known.
        revision: Of a hub's page, empty where none is pinned.
        size: Of a file in bytes, 0 where it is not known.
        sha256: Of a file, empty where it is not known.
        note: What a user should know.
        whole_tree: Of a hub's page: take subfolders and pickled parts too, which our loader reads with
            `weights_only=True`.
    """

    name: str
    purpose: str
    used_by: str
    address: str
    licence: str
    revision: str = ""
    size: int = 0
    sha256: str = ""
    note: str = ""
    whole_tree: bool = False

    @property
    def repository(self) -> str:
        """`owner/name` of a hub's page; empty for a file."""
        parts = urlsplit(self.address)
        path = parts.path.strip("/")
        return path if parts.hostname == _HUB_HOST and path.count("/") == 1 else ""

    @property
    def path(self) -> Path:
        """Where it lies, or would lie, on this machine."""
        return weights_folder() / self.name


def catalogue() -> list[Weights]:
    """Every entry, generators first."""
    generators = [
        Weights(
            name=one.name,
            purpose=one.purpose,
            used_by=one.used_by,
            address=one.address,
            licence=one.licence,
            note=one.note,
            whole_tree=True,
        )
        for one in EXTERNAL_WEIGHTS
    ]
    metrics = [
        Weights(
            name=one.name,
            purpose=one.purpose,
            used_by="metrics",
            address=one.address,
            licence=one.licence,
            revision=one.revision,
            size=one.size,
            sha256=one.sha256,
            note=one.note,
        )
        for one in WEIGHTS.values()
    ]
    return [*generators, *metrics]


def find(name: str) -> Weights:
    """The entry of a name.

    Raises:
        UsageError: There is none; the hint lists close ones.
    """
    entries = {one.name: one for one in catalogue()}
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, entries)
    raise UsageError(
        f"no external weights are called {name!r}",
        hint=f"did you mean {' or '.join(close)}?" if close else "`stepbench weights list` shows them",
    )
