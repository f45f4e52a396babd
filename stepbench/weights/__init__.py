"""External weights: what there is, fetching it, and whether what lies here is what was fetched."""

from __future__ import annotations

from stepbench.weights.external import EXTERNAL_WEIGHTS, ExternalWeights

__all__ = ["EXTERNAL_WEIGHTS", "ExternalWeights"]
