"""The site builds strictly, asks nothing of any network, and has every page and every public name."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ("stepbench", "stepbench.gate", "stepbench.stats", "stepbench.preferences", "reference_model")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `--strict` makes a broken link or anchor, or a page without a place, an error."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_in_the_navigation(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    navigation = front[front.index("md-nav--primary") :]
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md", *(ROOT / "examples").glob("*.md")]:
        inside = page.relative_to(ROOT / "docs" if "docs" in page.relative_to(ROOT).parts else ROOT)
        name = str(inside.with_suffix(".html")).replace("README", "index")
        assert (site / name).is_file(), name
        assert f'href="{name}"' in navigation, f"{name} is not in the navigation"


def test_the_site_asks_nothing_of_any_network(site):
    asking = re.compile(r"<(?:script|link|img|iframe|source|video)[^>]*?(?:src|href)=[\"']?(?:https?:)?//", re.I)
    for page in site.rglob("*.html"):
        assert not asking.search(page.read_text(encoding="utf-8")), page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_comments_of_the_sources_are_no_text_of_the_pages(site):
    assert "stepbench gate runs/candidate" in re.sub(r"<[^>]+>", "", (site / "gate.html").read_text(encoding="utf-8"))
    for page in site.rglob("*.html"):
        shown = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "not run:" not in shown, page.name
        assert ":::" not in shown, page.name


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_its_docstring_in_the_python_reference(site, name):
    text = (site / "python" / f"{name.rpartition('.')[2]}.html").read_text(encoding="utf-8")
    for public in importlib.import_module(name).__all__:
        if not public.startswith("__"):
            assert f'id="{name}.{public}"' in text, public


def test_metrics_are_in_the_python_reference(site):
    classes = (site / "python" / "metrics.html").read_text(encoding="utf-8")
    for public in ("build", "describe", "ClipMetric", "ClipScore", "MetricCard", "MetricError", "score_view"):
        assert f'id="metrics.{public}"' in classes, public
    functional = importlib.import_module("metrics.functional")
    formulas = (site / "python" / "functional.html").read_text(encoding="utf-8")
    for public in functional.__all__:
        # A function has the name of its file, so it is only found below that.
        assert f'id="{getattr(functional, public).__module__}.{public}"' in formulas, public


def test_a_page_that_nobody_placed_is_found_and_one_that_is_not_written_is_left_out():
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    placed = hooks.navigation(["index.md", "gate.md", "metrics/psnr.md", "new.md", "validity.md", "metrics/README.md"])
    assert placed == [
        {"Start": "index.md"},
        {"Guides": ["gate.md", "new.md"]},
        {"Metrics": ["metrics/README.md", "validity.md", "metrics/psnr.md"]},
    ]
