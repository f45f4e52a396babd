"""Backbones that see single frames, `inception` against the package it comes from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import pytorch_fid.inception
import torch
from random_weights import procedural
from torch import Tensor

from metrics.backbones import load_frame_backbone
from metrics.backbones.inception import _architecture
from metrics.errors import ClipError, MetricError, UnavailableMetricError


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def distance(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual - expected).norm() / expected.norm())


@pytest.fixture(scope="module")
def inception_state() -> dict[str, Tensor]:
    shapes = {name: tuple(value.shape) for name, value in _architecture().state_dict().items()}
    return {name: procedural(name, shape, 3) for name, shape in shapes.items() if shape}


@pytest.fixture(scope="module")
def inception_file(inception_state, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception-fid"
    torch.save(inception_state, path)
    return path


def test_inception_gives_the_features_of_pytorch_fid(
    inception_state, inception_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(inception_file.parent))
    backbone = load_frame_backbone("inception")
    # The package's own network takes the same tensors under the same names, in place of its download.
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: dict(inception_state))
    theirs = pytorch_fid.inception.InceptionV3().eval()
    frames = noise(2, 3, 40, 64)
    frames[1] //= 2
    with torch.no_grad():
        expected = theirs(frames.float() / 255)[0].flatten(1)
    features = backbone.frame_features(frames)
    assert features.dtype == torch.float32
    assert distance(features, expected) < 1e-5
    assert distance(features[1:], expected[:1]) > 0.01
    assert distance(backbone.frame_features(frames[1:]), features[1:]) < 1e-5
    assert backbone.dimensions == 2048
    assert (backbone.name, backbone.policy) == ("inception", "8f-uniform-299-bilinear")
    assert backbone.weights_hash == hashlib.sha256(inception_file.read_bytes()).hexdigest()[:12]


def test_inception_without_weights_or_package_names_the_command(weights_folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UnavailableMetricError, match="stepbench weights pull inception-fid"):
        load_frame_backbone("inception")
    (weights_folder / "inception-fid").touch()
    monkeypatch.setitem(__import__("sys").modules, "pytorch_fid.inception", None)
    message = r"(?s)the backbone inception needs the package pytorch_fid.*pip install 'stepbench\[metrics\]'"
    with pytest.raises(UnavailableMetricError, match=message):
        load_frame_backbone("inception")


def test_random_features_of_frames():
    backbone = load_frame_backbone("random-2d")
    gradient = torch.linspace(0, 255, 64).repeat(64, 1)
    frames = torch.stack([(gradient * scale).round().to(torch.uint8).expand(3, 64, 64) for scale in (0.2, 0.6, 1.0)])
    features = backbone.frame_features(frames)
    assert features.shape == (3, 224)
    assert float(features.std(dim=0).mean()) > 1e-2 * float(features.abs().mean())
    assert distance(backbone.frame_features(frames[2:]), features[2:]) < 1e-5
    other = load_frame_backbone("random-2d", seed=1)
    assert other.weights_hash != backbone.weights_hash
    assert distance(other.frame_features(frames), features) > 0.1
    assert (backbone.policy, backbone.dimensions) == ("8f-uniform-64-antialias", 224)


def test_frames_of_clips_are_spread_evenly():
    backbone = load_frame_backbone("random-2d", frames=3)
    clips = noise(2, 7, 3, 8, 8)
    assert torch.equal(backbone.sample(clips), clips[:, [0, 3, 6]])
    assert backbone.policy == "3f-uniform-64-antialias"
    with pytest.raises(ClipError, match="random-2d needs at least 3 frames, got a clip of 2"):
        backbone.sample(clips[:, :2])
    with pytest.raises(ClipError, match="must be uint8"):
        backbone.sample(clips.float())


def test_what_are_no_frames_is_refused():
    backbone = load_frame_backbone("random-2d")
    with pytest.raises(ClipError, match="must be uint8"):
        backbone.frame_features(noise(2, 3, 8, 8).float())
    with pytest.raises(ClipError, match="has 4 axes"):
        backbone.frame_features(noise(3, 8, 8))
    with pytest.raises(ClipError, match="at least one frame"):
        backbone.frame_features(noise(0, 3, 8, 8))
    with pytest.raises(MetricError, match="frames must be a whole number of at least 1, got 0"):
        load_frame_backbone("inception", frames=0)
