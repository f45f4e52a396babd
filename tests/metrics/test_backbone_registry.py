"""Backbones by name, and the table of published weights."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from pathlib import Path

import pytest

from metrics.backbones import BACKBONES, load_backbone, load_frame_backbone
from metrics.backbones.registry import FRAME_BACKBONES
from metrics.errors import MetricError, UnavailableMetricError, UnknownMetricError
from metrics.optional_packages import load_package
from metrics.weights import WEIGHTS, find_weights, weights_hash


@pytest.mark.parametrize("target", BACKBONES.values())
def test_every_loader_takes_a_device_and_says_so(target: str):
    module, _, function = target.partition(":")
    loader = getattr(importlib.import_module(module), function)
    assert next(iter(inspect.signature(loader).parameters)) == "device"


def test_unknown_backbones_suggest_close_ones():
    with pytest.raises(UnknownMetricError, match=r"(?s)no backbone is called 'i3d-torch'.*did you mean .*i3d"):
        load_backbone("i3d-torch")
    with pytest.raises(UnknownMetricError, match=r"(?s)no backbone is called 'zzz'.*there are i3d, i3d-torchscript"):
        load_frame_backbone("zzz")


def test_clips_and_frames_are_not_mixed_up():
    for name in FRAME_BACKBONES:
        with pytest.raises(MetricError, match=f"(?s){name} sees single frames.*others are i3d, i3d-torchscript"):
            load_backbone(name)
    for name in ("i3d", "transformers:folder", "shapes"):
        with pytest.raises(MetricError, match=f"(?s){name} sees whole clips.*others are inception, random-2d"):
            load_frame_backbone(name)


def test_options_that_a_backbone_does_not_take_are_refused():
    with pytest.raises(MetricError, match=r"(?s)shapes cannot be loaded so: .*'frames'.*it takes nothing"):
        load_backbone("shapes", frames=8)
    with pytest.raises(
        MetricError, match=r"(?s)i3d:32 cannot be loaded so: .*it takes frames, stride, resize, precision"
    ):
        load_backbone("i3d:32")
    with pytest.raises(MetricError, match=r"(?s)transformers cannot be loaded so: .*'folder'"):
        load_backbone("transformers")


def test_published_weights_say_what_they_are():
    assert all(name == weights.name for name, weights in WEIGHTS.items())
    for weights in WEIGHTS.values():
        assert weights.address.startswith("https://")
        assert weights.licence
        assert weights.purpose


def test_weights_are_looked_for_in_the_named_folder(weights_folder: Path):
    with pytest.raises(UnavailableMetricError, match=r"(?s)inception-fid are not at .*weights pull inception-fid"):
        find_weights("inception-fid")
    (weights_folder / "inception-fid").write_bytes(b"abc")
    assert find_weights("inception-fid") == weights_folder / "inception-fid"


def test_hashes_are_those_of_all_contents_in_order(tmp_path: Path):
    for name, content in (("a", b"1" * (1 << 20) + b"2"), ("b", b"3")):
        (tmp_path / name).write_bytes(content)
    expected = hashlib.sha256(b"1" * (1 << 20) + b"23").hexdigest()[:12]
    assert weights_hash(tmp_path / "a", tmp_path / "b") == expected


def test_missing_packages_name_the_command():
    assert load_package("hashlib", "a test") is hashlib
    with pytest.raises(UnavailableMetricError, match=r"(?s)a test needs the package nowhere.*'stepbench\[metrics\]'"):
        load_package("nowhere.at_all", "a test")
