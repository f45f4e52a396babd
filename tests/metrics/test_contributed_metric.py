"""CONTRIBUTING is followed to the letter by a package of somebody else: class, entry point, test. Then it is used."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import clips
import pytest
import torch
from laws import LAWS, Ladder, Subject

import metrics
from metrics import registry

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def block(language: str) -> str:
    """The one block of that language in the guide's section on metrics."""
    section = GUIDE.read_text(encoding="utf-8").partition("## A metric")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return "".join(line[3:] if line.startswith("   ") else line for line in found.splitlines(keepends=True))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package installed as pip would leave it, whose files hold nothing but what the guide says."""
    (points,) = tomllib.loads(block("toml"))["project"]["entry-points"].items()
    group, entries = points
    site = tmp_path / "site"
    for name, target in entries.items():
        module, _, _ = target.partition(":")
        path = site.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True)
        path.write_text(block("python"), encoding="utf-8")
        (path.parent / "__init__.py").touch()
        described = site / "my_package-1.dist-info"
        described.mkdir()
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n", encoding="utf-8")
        (described / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(registry, "METRICS", registry.MetricRegistry())
    yield site
    for module in [name for name in sys.modules if name.startswith("my_package")]:
        del sys.modules[module]


def test_the_closed_form_that_the_guide_asks_for(package: Path):
    warmth = metrics.build("warmth")
    warmth.update(torch.tensor([102, 51, 0], dtype=torch.uint8)[:, None, None].expand(1, 2, 3, 4, 4))
    assert float(warmth.compute()) == pytest.approx(0.4)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_laws_that_one_entry_brings(law, package: Path):
    red = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    red[:, 0] = 255
    fades = Ladder(
        corrupt=lambda clip, levels: clips.as_clip(clips.as_levels(clip) - [levels, 0, 0]), amounts=(5, 40), rises=False
    )
    law(Subject(name="warmth", ideal=red, ideal_value=1.0, ladders={"red fades": fades}))


def test_it_is_listed_and_scores_a_run_like_any_other(package: Path, stepbench, make_suite, workplace: Path):
    make_suite("one", "two")
    assert "warmth" in stepbench("list", "metrics", "--json").out
    ended = stepbench("run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "warmth", "--run-id", "mine")
    assert ended.code == 0, ended.err
    (metric,) = json.loads(Path("runs/mine/summary.json").read_text(encoding="utf-8"))["metrics"]
    assert (metric["metric_id"], metric["n_scored"]) == ("warmth@1:native", 2)
    assert -1 <= metric["mean"] <= 1


def test_the_guide_names_three_files():
    section = GUIDE.read_text(encoding="utf-8").partition("## A metric")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d)\. ", section, re.MULTILINE) == ["1", "2", "3"]
    assert "warmth" not in registry.BUILT_IN, "the guide shows how to add a metric, so it must not exist yet"
