"""Set metrics by name: families, names with a backbone, and what is said where weights are missing."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
from toy_backbones import registered

import metrics
from metrics import registry
from metrics.backbones.registry import BACKBONES, FRAME_BACKBONES
from metrics.backbones.shapes import weights_hash
from metrics.errors import MetricError, UnavailableMetricError, UnknownMetricError
from metrics.functional import frechet_distance, kernel_distance

toys = pytest.fixture(autouse=True)(registered)


def test_families_and_names_with_a_backbone_are_listed():
    listed = set(metrics.METRICS)
    assert {"fvd", "kvd", "fid", "fvd_infinity", "rfvd", "random_feature_distance"} <= listed
    assert {"fvd_i3d", "fvd_shapes", "fvd_videomae", "kvd_shapes"} <= listed
    for name in registry.SPELLED:
        assert metrics.METRICS[name].options["backbone"] in set(BACKBONES) - FRAME_BACKBONES
        assert metrics.METRICS[name].unavailable() == ""


@pytest.mark.parametrize("spelling", ["fvd_shapes", "fvd-shapes", "FVD-Shapes"])
def test_a_name_with_a_backbone_is_the_family_on_it(spelling: str):
    card = metrics.describe(spelling)
    assert card.id == f"fvd_shapes@1:{weights_hash()}:16f-32-antialias"
    assert metrics.build(spelling).card == card == metrics.build("fvd", backbone="shapes").card


@pytest.mark.parametrize("name", ["fvd_toy", "kvd_toy", "rfvd_toy", "fvd_infinity_toy", "fid_toy_frames"])
def test_every_family_can_be_spelled_with_every_backbone_and_finds_itself_by_its_card(name: str):
    card = metrics.describe(name)
    assert card.name == name
    assert metrics.build(card.name).card == card


def test_random_features_find_themselves_by_their_card():
    card = metrics.describe("random-feature-distance")
    assert card.name == "random_feature_distance"
    assert metrics.describe("random_feature_distance_random_3d") == card
    assert metrics.build("random_feature_distance", seeds=2).card.id != card.id


def test_the_distance_behind_a_name_needs_no_weights(weights_folder: Path):
    assert registry.set_distance("fvd").of_features is frechet_distance
    assert registry.set_distance("kvd_videomae").of_features is kernel_distance
    assert registry.set_distance("fid").rows_per_clip == 8
    assert registry.set_distance("random_feature_distance").blocks == 5
    assert registry.set_distance("rfvd_i3d").paired
    assert registry.set_distance("fvd_infinity").of_features.keywords == {"seed": 0}
    with pytest.raises(MetricError, match="'flicker' is no distance between sets"):
        registry.set_distance("flicker")


@pytest.mark.parametrize("name", ["fvd", "kvd_i3d", "rfvd", "fvd_infinity", "fid", "fvd_videomae"])
def test_absent_weights_make_a_metric_unavailable(name: str, weights_folder: Path):
    for ask in (metrics.describe, metrics.build):
        with pytest.raises(UnavailableMetricError, match=r"(?s)weights .* are not at .*stepbench weights pull"):
            ask(name)


def test_unknown_backbones_and_options_are_refused():
    with pytest.raises(UnknownMetricError, match=r"(?s)no backbone is called 'shape'.*did you mean shapes"):
        metrics.build("fvd_shape")
    with pytest.raises(UnknownMetricError, match="no metric is called 'fvdx'"):
        metrics.build("fvdx")
    with pytest.raises(MetricError, match=r"(?s)'fvd_shapes' settles backbone, got .*build 'fvd' with these options"):
        metrics.build("fvd_shapes", backbone="toy")
    with pytest.raises(MetricError, match=r"'fvd_toy' cannot be built with options .*window"):
        metrics.build("fvd_toy", window=3)
    with pytest.raises(MetricError, match="the backbone toy cannot be loaded so"):
        metrics.build("random_feature_distance", backbone="toy")


def test_building_reads_a_backbone_once_per_process(monkeypatch: pytest.MonkeyPatch):
    metrics.build("fvd_toy")
    monkeypatch.setattr("toy_backbones.load_toy", lambda device: pytest.fail("read again"))
    metrics.build("kvd_toy").card.id  # noqa: B018 - the access is the test


def test_the_example_in_the_docs_runs():
    results = doctest.testmod(importlib.import_module("metrics.fvd"))
    assert results.attempted > 0
    assert results.failed == 0
