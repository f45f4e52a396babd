from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import metrics
import metrics.backbones
from metrics.registry import BUILT_IN

ROOT = Path(metrics.__file__).parents[1]


def imported_by(statements: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after these statements."""
    code = f"import sys\n{statements}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_listing_metrics_imports_no_torch():
    loaded = imported_by(
        "import metrics\nassert len(metrics.METRICS) >= 7\nassert 'flicker' in metrics.OFFLINE\ndir(metrics)"
    )
    assert not loaded & {"torch", "torchmetrics", "cv2", "numpy", "stepbench", "reference_model"}


def test_listing_backbones_imports_no_torch():
    loaded = imported_by("import metrics.backbones\nassert 'i3d' in metrics.backbones.BACKBONES")
    assert not loaded & {"torch", "torchvision", "transformers", "numpy"}
    for name in metrics.backbones.__all__:
        assert getattr(metrics.backbones, name) is not None
    with pytest.raises(AttributeError, match=r"module 'metrics\.backbones' has no attribute 'I4D'"):
        metrics.backbones.I4D  # noqa: B018 - the access is the test


def test_backbones_import_what_they_are_built_on_only_when_they_are_loaded():
    loaded = imported_by(
        "import importlib, pkgutil, metrics.backbones as b, metrics.functional\n"
        "for found in pkgutil.iter_modules(b.__path__, 'metrics.backbones.'): importlib.import_module(found.name)"
    )
    assert "torch" in loaded
    assert not loaded & {"lpips", "pytorch_fid", "torchvision", "transformers", "torchmetrics"}


def test_the_front_door_holds_at_most_twelve_names_and_all_exist():
    assert len(metrics.__all__) <= 12
    for name in metrics.__all__:
        assert getattr(metrics, name) is not None
    assert dir(metrics) == sorted(metrics.__all__)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'metrics' has no attribute 'lpipss'"):
        metrics.lpipss  # noqa: B018 - the access is the test


@pytest.mark.parametrize("module", sorted(target.partition(":")[0] for target in BUILT_IN.values()))
def test_examples_in_the_docs_run(module: str):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0
