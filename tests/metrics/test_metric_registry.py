from __future__ import annotations

import importlib.metadata
import re
import sys
import textwrap
import types
from pathlib import Path

import pytest
import torch

import metrics
from metrics import registry
from metrics.errors import MetricError, UnavailableMetricError, UnknownMetricError
from metrics.flicker import Flicker


def with_entry_points(monkeypatch: pytest.MonkeyPatch, **values: str) -> registry.MetricRegistry:
    points = [
        importlib.metadata.EntryPoint(name=name, value=value, group=registry.ENTRY_POINT_GROUP)
        for name, value in values.items()
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: points)
    fresh = registry.MetricRegistry()
    monkeypatch.setattr(registry, "METRICS", fresh)
    return fresh


@pytest.mark.parametrize("spelling", ["motion_magnitude", "motion-magnitude", "Motion-Magnitude", " motion_magnitude "])
def test_hyphen_and_underscore_name_the_same_metric(spelling: str):
    assert type(metrics.build(spelling)).__name__ == "MotionMagnitude"
    assert metrics.describe(spelling).name == "motion_magnitude"


def test_unknown_names_suggest_close_ones():
    with pytest.raises(UnknownMetricError, match=r"(?s)'fliker'.*did you mean flicker"):
        metrics.build("fliker")
    with pytest.raises(UnknownMetricError, match=r"(?s)no metric is called 'zzz'.*there are psnr, ssim"):
        metrics.describe("zzz")


def test_unknown_options_are_refused_with_the_metric_named():
    with pytest.raises(MetricError, match=r"'flicker' cannot be built with options.*window"):
        metrics.build("flicker", window=3)


def test_torchmetrics_options_arrive():
    assert metrics.build("flicker", sync_on_compute=False).sync_on_compute is False


def test_the_offline_set_needs_nothing_but_the_clip():
    for name in metrics.OFFLINE:
        card = metrics.describe(name)
        assert (card.needs, card.backbone) == ((), None)


def test_an_entry_point_adds_a_metric_in_either_spelling(monkeypatch: pytest.MonkeyPatch):
    listed = with_entry_points(monkeypatch, **{"my-flicker": "metrics.flicker:Flicker"})
    assert listed["my_flicker"].unavailable() == ""
    assert isinstance(metrics.build("my-flicker"), Flicker)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_package.module:Thing", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("metrics.flicker:Missing", "AttributeError"),
        ("json:JSONDecoder", "has no MetricCard"),
        ("metrics.flicker", "not 'module:Class'"),
        ("not an import path", "not 'module:Class'"),
    ],
)
def test_a_broken_entry_point_is_listed_with_its_reason(monkeypatch: pytest.MonkeyPatch, target: str, message: str):
    listed = with_entry_points(monkeypatch, broken=target)
    assert "broken" in list(listed)
    assert len(listed) == len({*registry.SHIPPED, *registry.SPELLED}) + 1
    assert message in listed["broken"].unavailable()
    with pytest.raises(UnavailableMetricError, match="metric 'broken' is unavailable"):
        metrics.build("broken")
    assert isinstance(metrics.build("flicker"), Flicker)


def test_the_example_for_contributors_works(monkeypatch: pytest.MonkeyPatch):
    guide = (Path(metrics.__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    module = types.ModuleType("metrics_of_a_contributor")
    exec(textwrap.dedent(code), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with_entry_points(monkeypatch, warmth=f"{module.__name__}:Warmth")
    warmth = metrics.build("warmth")
    warmth.update(torch.tensor([102, 51, 0], dtype=torch.uint8)[:, None, None].expand(1, 2, 3, 4, 4))
    assert float(warmth.compute()) == pytest.approx(0.4)
    assert "warmth" not in registry.BUILT_IN, "the guide shows how to add a metric, so it must not exist yet"


def test_an_entry_point_cannot_replace_a_built_in_metric(monkeypatch: pytest.MonkeyPatch):
    listed = with_entry_points(monkeypatch, flicker="json:JSONDecoder")
    assert isinstance(metrics.build("flicker"), Flicker)
    (clash,) = set(listed) - {*registry.SHIPPED, *registry.SPELLED}
    with pytest.raises(UnavailableMetricError, match="its name is taken by metrics"):
        metrics.build(clash)
