"""Canonical JSON and the hashes made from it: the one spelling on which keys, plan hashes and suite hashes rest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

# Made once: to build an encoder takes longer than to encode the few fields of a sample key.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and unescaped Unicode. NaN and infinity raise `ValueError`."""
    return _ENCODER.encode(value)


def sha256_json(value: Any) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in chunks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
