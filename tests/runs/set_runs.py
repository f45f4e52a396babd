"""What the tests of set metrics in runs share: a reference run, and a metric that a plugin brings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from metrics import registry

PLUGIN = Path(__file__).parents[1] / "data" / "toy_plugin"
RUN = ("run", "-M", "python:toy_generators:noise", "-t", "mini")
REFERENCE = (*RUN, "--seeds", "7..8", "--no-score", "--run-id", "ref")
SCORED = (*RUN, "--seeds", "0..1", "-m", "flicker,toy_fvd", "--reference", "runs/ref", "--run-id")


def install_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metric `toy_fvd`, here and in processes started from here."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGIN), os.environ["PYTHONPATH"]]))
    monkeypatch.setattr(registry, "METRICS", registry.MetricRegistry())


def set_rows(run: Path) -> list[dict[str, Any]]:
    """The rows of the set metric, as they stand in its journal."""
    (journal,) = run.glob("scores/*toy*:ref-*.jsonl")
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def set_summary(run: Path) -> dict[str, Any]:
    """The entry of the set metric in `summary.json`."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return next(metric for metric in summary["metrics"] if "toy" in metric["metric"])


def feature_files(run: Path) -> list[Path]:
    return sorted(run.glob("features/*/*"))
