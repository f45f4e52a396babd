"""A fingerprint of a checkpoint's names and shapes, by which the released files are recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence


def name_shape_digest(shapes: Mapping[str, Sequence[int]]) -> str:
    """MD5, in hex, of the sorted and comma-joined strings `name` and `name:dim0_dim1_...` of all tensors."""
    entries = [*shapes, *(f"{name}:{'_'.join(map(str, shape))}" for name, shape in shapes.items())]
    return hashlib.md5(",".join(sorted(entries)).encode(), usedforsecurity=False).hexdigest()
