"""Random generators that are a function of what they are for, on every platform."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from stepbench.canonical import canonical_json
from stepbench.worlds.moving_shapes.scene import WORLD_VERSION


def keyed_rng(*key: Any) -> np.random.Generator:
    """A generator seeded by the sha256 of the world version and a JSON-able key."""
    digest = hashlib.sha256(canonical_json([WORLD_VERSION, *key]).encode("utf-8")).digest()
    return np.random.default_rng([int.from_bytes(digest[i : i + 4], "big") for i in range(0, 32, 4)])
