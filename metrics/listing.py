"""What `list metrics` shows, without importing metrics, and torch with them: `listing.json`, and files that are here.

python -m metrics.listing    # writes listing.json anew, after a card has changed
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from metrics import registry
from metrics.errors import MetricError, UnavailableMetricError
from metrics.weights import FOLDER_VARIABLE, find_weights

FILE = Path(__file__).with_name("listing.json")
"""Name -> what is known of a metric of this package where no weights of others are."""

READY = "ready"
_WEIGHTS = re.compile(r"the weights (\S+) are not at")
_VARIABLE = re.compile(r"([A-Z_]+) is not set")


def rows() -> list[dict[str, Any]]:
    """One row per metric: its card's fields as far as it has one, and `status`: `ready`, or what is missing.

    A metric is imported only where the file cannot tell: of other packages, and of which the card depends on weights
    that are here.
    """
    known = json.loads(FILE.read_text(encoding="utf-8"))
    return [_known_row(name, known[name]) if name in known else imported_row(name) for name in registry.METRICS]


def _known_row(name: str, known: dict[str, Any]) -> dict[str, Any]:
    row = {"metric": name, **known["card"]}
    if registry.METRICS[name].target != known["target"] or os.environ.get(known["variable"]):
        return imported_row(name)
    if not known["weights"]:
        return row | {"status": known["status"]}
    try:
        for weights in known["weights"].split():
            find_weights(weights)
    except UnavailableMetricError as error:
        return row | {"status": str(error)}
    return row | {"status": READY} if known["card"] else imported_row(name)


def imported_row(name: str) -> dict[str, Any]:
    """The same row, from the metric itself."""
    try:
        card = registry.describe(name)
    except MetricError as error:
        return {"metric": name, "status": str(error)}
    fields = {"better": card.direction, "unit": card.unit, "family": card.family, "level": card.level}
    fields |= {"needs": " ".join(card.needs), "id": card.id}
    return {"metric": name, **fields, "status": registry.METRICS[name].unavailable() or READY}


def current() -> str:
    """What the file should hold. Needs an environment without variables of stepbench."""
    facts = {}
    with tempfile.TemporaryDirectory() as nowhere:
        os.environ[FOLDER_VARIABLE] = nowhere
        try:
            for name in registry.METRICS:
                row = imported_row(name)
                status = row.pop("status")
                lacking, variable = _WEIGHTS.match(status), _VARIABLE.search(status)
                facts[row.pop("metric")] = {
                    "target": registry.METRICS[name].target,
                    "card": row,
                    "weights": _all_weights(name, lacking[1]) if lacking else "",
                    "variable": variable[1] if variable else "",
                    "status": "" if lacking else status,
                }
        finally:
            del os.environ[FOLDER_VARIABLE]
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def _all_weights(name: str, first: str) -> str:
    """Everything that a metric looks for before it is loaded, by pretending that one after the other is there."""
    found, before = [first], os.environ[FOLDER_VARIABLE]
    with tempfile.TemporaryDirectory() as pretended:
        os.environ[FOLDER_VARIABLE] = pretended
        try:
            Path(pretended, first).touch()
            while lacking := _WEIGHTS.match(registry.METRICS[name].unavailable()):
                found.append(lacking[1])
                Path(pretended, lacking[1]).touch()
        finally:
            os.environ[FOLDER_VARIABLE] = before
    return " ".join(found)


if __name__ == "__main__":
    FILE.write_text(current(), encoding="utf-8")
