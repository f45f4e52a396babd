"""Examples in the docstrings of metrics with networks run, as far as they need no weights."""

from __future__ import annotations

import doctest
import importlib

import pytest

from metrics.registry import ALIGNMENT, GOVERNANCE, JUDGED, WITH_WEIGHTS

MODULES = sorted({target.partition(":")[0] for target in (ALIGNMENT | GOVERNANCE | JUDGED | WITH_WEIGHTS).values()})
WITH_EXAMPLES = {"metrics.shapes_alignment", "metrics.governance.named_characters", "metrics.governance.near_duplicate"}


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_the_docs_run(module: str):
    results = doctest.testmod(importlib.import_module(module))
    assert results.failed == 0
    assert module not in WITH_EXAMPLES or results.attempted > 2
