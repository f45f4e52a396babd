"""Importing does no work: heavy packages load when a command needs them, and not before."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import stepbench

HEAVY = {
    "torch",
    "torchmetrics",
    "transformers",
    "pandas",
    "numpy",
    "scipy",
    "cv2",
    "av",
    "pyarrow",
    "streamlit",
    "altair",
}
AFTERWARDS = """
import json, sys
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded_by(code, *arguments):
    """Top-level packages that are loaded after a piece of code."""
    command = [sys.executable, "-c", code + AFTERWARDS, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_importing_stepbench_loads_nothing_heavy(workplace):
    assert not loaded_by("import stepbench") & {*HEAVY, "rich", "pydantic", "cyclopts"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_loads_nothing_heavy(workplace, arguments):
    code = """
import sys
from stepbench.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
"""
    assert not loaded_by(code, *arguments) & HEAVY


def test_planning_and_reading_need_no_torch(workplace):
    modules = [
        module.name
        for module in pkgutil.walk_packages(stepbench.__path__, "stepbench.")
        if module.name.startswith(("stepbench.cli.", "stepbench.runs.", "stepbench.suites.", "stepbench.stats."))
        or module.name.startswith(("stepbench.reporting.", "stepbench.tracking."))
        or module.name in ("stepbench.api", "stepbench.doctor", "stepbench.comparison", "stepbench.video")
    ]
    assert len(modules) > 40
    loaded = loaded_by(f"import importlib\nfor name in {modules!r}: importlib.import_module(name)")
    assert not loaded & {"torch", "torchmetrics", "transformers", "metrics", "reference_model", "streamlit"}


def test_every_export_is_there():
    assert set(stepbench.__all__) == {*stepbench._EXPORTS, "__version__"}
    for name in stepbench.__all__:
        assert getattr(stepbench, name) is not None
    with pytest.raises(AttributeError, match="module 'stepbench' has no attribute 'comparre'"):
        stepbench.comparre  # noqa: B018 - the access itself is the test
