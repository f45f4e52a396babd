"""The built wheel holds everything a user needs, and works away from the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run_from(site: Path, cwd: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_wheel_holds_suites_and_no_tests(unpacked_wheel: Path) -> None:
    names = {str(path.relative_to(unpacked_wheel)) for path in unpacked_wheel.rglob("*") if path.is_file()}
    for suite in ("step-essentials", "moving-shapes"):
        assert f"stepbench/suites/data/{suite}/prompts.jsonl" in names
        assert f"stepbench/suites/data/{suite}/suite.toml" in names
    assert "leaderboard/app.py" in names
    assert {f"stepbench/reporting/templates/report.{end}" for end in ("html", "css", "js")} <= names
    assert not any(name.startswith("tests/") for name in names)
    (licence,) = [name for name in names if name.endswith("/licenses/LICENSE")]
    assert "Apache License" in (unpacked_wheel / licence).read_text()


def test_wheel_runs_away_from_the_source_tree(unpacked_wheel: Path, tmp_path: Path) -> None:
    where = run_from(unpacked_wheel, tmp_path, "-c", "import stepbench; print(stepbench.__file__)")
    assert where.startswith(str(unpacked_wheel))
    listed = run_from(unpacked_wheel, tmp_path, "-m", "stepbench", "list", "suites", "--json")
    assert "step-essentials" in listed
    run = ("-m", "stepbench", "run", "-M", "world:exact", "-t", "moving-shapes", "-L", "2", "--no-score", "--json")
    assert '"ok": 2' in run_from(unpacked_wheel, tmp_path, *run)


def test_metadata_declares_the_entry_points(unpacked_wheel: Path) -> None:
    (entry_points,) = unpacked_wheel.glob("*.dist-info/entry_points.txt")
    text = entry_points.read_text()
    assert "stepbench = stepbench.cli.main:main" in text
    assert "[stepbench.metrics]" in text
