"""Whether pulled weights are still what was pulled."""

from __future__ import annotations

from stepbench.errors import NothingSelectedError
from stepbench.weights.catalogue import Weights, catalogue, find
from stepbench.weights.record import FileReport, compare, read_record


def verify_pulled(name: str | None = None) -> dict[str, list[FileReport]]:
    """Every file of the weights on this machine against the record of their pull, or against the catalogue.

    Args:
        name: Of the catalogue; None takes all that are there.

    Returns:
        Name -> one report per file.

    Raises:
        UsageError: No such name.
        NothingSelectedError: It is not there, or nothing is.
    """
    chosen = [one for one in (catalogue() if name is None else [find(name)]) if one.path.exists()]
    if not chosen:
        what = "no external weights are on this machine" if name is None else f"{name} is not at {find(name).path}"
        raise NothingSelectedError(what, hint=f"`stepbench weights pull {name or 'NAME'}` fetches them")
    return {one.name: _reports(one) for one in chosen}


def _reports(weights: Weights) -> list[FileReport]:
    record = read_record(weights.path)
    expected = {} if record is None else record.files
    if weights.sha256:
        expected = {weights.path.name: {"sha256": weights.sha256}}
    return compare(weights.path, expected)
