"""What is listed without importing a metric is what the metric itself says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from metrics import listing
from metrics.registry import METRICS


@pytest.fixture
def bare(workplace, monkeypatch):
    """No weights, no variables."""
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(workplace / "weights"))
    return workplace / "weights"


def test_rows_are_those_of_the_metrics_themselves(bare):
    assert listing.rows() == [listing.imported_row(name) for name in METRICS]


def test_the_file_is_up_to_date(workplace):
    assert listing.FILE.read_text(encoding="utf-8") == listing.current(), "run `python -m metrics.listing`"


def test_weights_that_are_here_are_seen(bare, monkeypatch):
    (bare / "dino-vitb16").mkdir(parents=True)
    (bare / "i3d-kinetics-400").mkdir()
    rows = {row["metric"]: row for row in listing.rows()}
    assert rows["subject_consistency"] == listing.imported_row("subject_consistency")
    assert rows["subject_consistency"]["status"] == "ready"
    # Its card begins with the weights, and these are none.
    assert rows["fvd_i3d"] == listing.imported_row("fvd_i3d")
    assert rows["fvd_i3d"]["status"] != "ready"
    monkeypatch.setenv("STEPBENCH_REFERENCE_CLIPS", "nowhere")
    rows = {row["metric"]: row for row in listing.rows()}
    assert rows["near_duplicate"]["status"].startswith("near_duplicate has no reference set: nowhere")


def test_a_metric_on_two_files_is_ready_with_both(bare):
    for there in ("clip-vit-large-patch14", "aesthetic-vit-l-14-linear"):
        (row,) = (row for row in listing.rows() if row["metric"] == "aesthetic_quality")
        assert "stepbench weights pull" in row["status"]
        assert row == listing.imported_row("aesthetic_quality")
        bare.mkdir(exist_ok=True)
        (bare / there).mkdir()
    (row,) = (row for row in listing.rows() if row["metric"] == "aesthetic_quality")
    assert row["status"] == "ready"


def test_listing_imports_no_torch(bare):
    code = "import sys; from metrics.listing import rows; rows(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
