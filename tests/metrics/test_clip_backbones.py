"""Backbones that see clips: what they see, that features are the network's, and errors. All weights are random."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from random_weights import i3d_state
from torch import Tensor

from metrics.backbones import I3D, load_backbone
from metrics.backbones.clip_sampling import cropped, in_unit_range, squashed, uniform_frames
from metrics.backbones.networks import ClipNetwork
from metrics.backbones.random_features import RandomFeatures, he_uniform
from metrics.backbones.shapes import load as load_encoder
from metrics.errors import ClipError, MetricError, UnavailableMetricError


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def smooth(clips: int, frames: int, height: int, width: int) -> Tensor:
    """Different clips of coarse patterns that move; their contrast differs too."""
    rows, columns, times = torch.arange(height)[:, None], torch.arange(width), torch.arange(frames)[:, None, None]
    waves = [
        torch.sin(times * (0.2 + 0.3 * clip) + rows / (3 + clip) + 0.7 * channel) * torch.cos(columns / (5 + channel))
        for clip in range(clips)
        for channel in range(3)
    ]
    scale = torch.linspace(0.3, 1, clips)[:, None, None, None, None]
    levels = 127.5 + 127 * scale * torch.stack(waves).unflatten(0, (clips, 3)).transpose(1, 2)
    return levels.round().to(torch.uint8)


def distance(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual - expected).norm() / expected.norm())


def check_backbone(backbone: ClipNetwork, clips: Tensor, too_short: int | None) -> Tensor:
    """What is true of every backbone; gives the features back."""
    features = backbone.features(clips)
    assert features.shape == (len(clips), backbone.dimensions)
    assert features.dtype == torch.float32
    assert not features.requires_grad
    assert distance(backbone.features(clips[1:]), features[1:]) < 1e-5
    assert len(backbone.weights_hash) == 12
    assert backbone.features(clips[:0]).shape == (0, backbone.dimensions)
    with pytest.raises(ClipError, match="must be uint8"):
        backbone.features(clips.float())
    with pytest.raises(ClipError, match="has 5 axes"):
        backbone.features(clips[0])
    if too_short is not None:
        with pytest.raises(ClipError, match=f"needs at least {too_short} frames, got a clip of {too_short - 1}"):
            backbone.features(clips[:, : too_short - 1])
    return features


@pytest.fixture(scope="module")
def i3d_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i3d") / "i3d-kinetics-400"
    torch.save(i3d_state(4), path, _use_new_zipfile_serialization=False)  # the format of its time
    return path


def test_i3d_sees_the_first_frames_squashed_to_a_square(i3d_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(i3d_file.parent))
    backbone = load_backbone("i3d", frames=9)
    clips = smooth(2, 12, 40, 72)
    features = check_backbone(backbone, clips, too_short=9)
    pixels = F.interpolate(clips[0, :9].float(), (224, 224), mode="bilinear", align_corners=False) / 127.5 - 1
    network = I3D()
    network.load_state_dict(i3d_state(4))
    with torch.no_grad():
        assert distance(features[:1], network(pixels.transpose(0, 1)[None])) < 1e-5
    assert (backbone.name, backbone.policy, backbone.dimensions) == ("i3d", "9f-224-bilinear", 400)
    assert backbone.weights_hash == hashlib.sha256(i3d_file.read_bytes()).hexdigest()[:12]

    faster = load_backbone("i3d", frames=9, precision="bf16")
    assert faster.policy == "9f-224-bilinear-bf16-folded"
    rounded = faster.features(clips[:1])
    assert rounded.dtype == torch.float32
    assert 1e-5 < distance(rounded, features[:1]) < 0.05


def test_i3d_takes_sixteen_frames_unless_told(i3d_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(i3d_file.parent))
    backbone = load_backbone("i3d")
    assert backbone.policy == "16f-224-bilinear"
    with pytest.raises(ClipError, match="i3d needs at least 16 frames, got a clip of 15"):
        backbone.features(noise(1, 15, 3, 8, 8))


@pytest.mark.parametrize("frames", [8, 0, 9.5, True])
def test_i3d_refuses_fewer_frames_than_it_can_pool(frames):
    with pytest.raises(MetricError, match=f"frames must be a whole number of at least 9, got {frames}"):
        load_backbone("i3d", frames=frames)


def test_i3d_has_two_precisions():
    with pytest.raises(MetricError, match="precision must be float32 or bf16, got 'int8'"):
        load_backbone("i3d", precision="int8")


def test_missing_weights_name_the_command(weights_folder: Path):
    for name in ("i3d", "i3d-torchscript"):
        with pytest.raises(UnavailableMetricError, match="stepbench weights pull i3d-"):
            load_backbone(name)


def test_other_content_is_refused(weights_folder: Path):
    path = weights_folder / "i3d-kinetics-400"
    path.write_bytes(b"not weights")
    with pytest.raises(UnavailableMetricError, match="does not hold the weights i3d-kinetics-400: "):
        load_backbone("i3d")
    torch.save([torch.zeros(2)], path)
    with pytest.raises(UnavailableMetricError, match="it holds no state dict"):
        load_backbone("i3d")
    torch.save({"logits.conv3d.bias": torch.zeros(400)}, path)
    with pytest.raises(UnavailableMetricError, match=r"(?s)Missing key.*stepbench weights pull i3d-kinetics-400"):
        load_backbone("i3d")
    torch.save({"weight": torch.nn.Linear}, path)  # anything that would need to be run is not read
    with pytest.raises(UnavailableMetricError, match="does not hold the weights i3d-kinetics-400: Weights only load"):
        load_backbone("i3d")
    (weights_folder / "i3d-torchscript").write_bytes(b"not a program")
    with pytest.raises(UnavailableMetricError, match="is no TorchScript file that can be loaded"):
        load_backbone("i3d-torchscript")


class Detector(torch.nn.Module):
    """Called like the published file; its features are corners and means of what it is given."""

    def forward(self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False) -> Tensor:
        if rescale or resize or not return_features:
            raise ValueError("called in another way")
        assert x.shape[1] == 3
        assert x.shape[3:] == (224, 224)
        seen = torch.cat([x[:, :, 0, 0, 0], x[:, :, -1, -1, -1], x.mean(dim=(2, 3, 4))], dim=1)
        return F.pad(seen, (0, 391))


@pytest.fixture
def detector_file(weights_folder: Path) -> Path:
    path = weights_folder / "i3d-torchscript"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(Detector()).save(str(path))
    return path


def test_the_torchscript_file_sees_the_square_in_the_middle(detector_file: Path):
    backbone = load_backbone("i3d-torchscript")
    clips = smooth(2, 18, 30, 51)
    features = check_backbone(backbone, clips, too_short=16)
    # 30 rows to 224 and 51 columns to 380.8, rounded up to 381; 78.5 columns on either side, rounded down on the left.
    large = F.interpolate(clips[0, :16].float(), (224, 381), mode="bilinear", align_corners=False) / 127.5 - 1
    square = large[..., 78:302]
    expected = torch.cat([square[0, :, 0, 0], square[-1, :, -1, -1], square.mean(dim=(0, 2, 3))])
    assert distance(features[0, :9], expected) < 1e-5
    assert (backbone.name, backbone.policy) == ("i3d-torchscript", "16f-short224-crop-bilinear")
    assert backbone.weights_hash == hashlib.sha256(detector_file.read_bytes()).hexdigest()[:12]


def test_the_packaged_encoder_keeps_its_numbers():
    backbone, encoder = load_backbone("shapes"), load_encoder()
    clips = smooth(3, 20, 40, 32)
    assert torch.equal(check_backbone(backbone, clips, too_short=16), encoder.features(clips))
    assert (backbone.name, backbone.policy, backbone.dimensions) == ("shapes", "16f-32-antialias", 320)


def test_random_features_tell_clips_apart():
    clips = smooth(8, 16, 48, 64)
    backbone = load_backbone("random-3d")
    features = check_backbone(backbone, clips, too_short=16)
    assert float((features.std(dim=0) / features.mean(dim=0).abs()).median()) > 1e-2
    assert float(features.std(dim=0).mean()) > 1e-2 * float(features.abs().mean())
    backwards = backbone.features(clips.flip(1))
    assert 1e-3 < distance(backwards, features) < 0.5
    assert (backbone.policy, backbone.dimensions) == ("16f-64-antialias", 224)


def test_the_seed_says_which_random_network_it_is():
    clips = smooth(1, 16, 32, 32)
    first, again, other = (load_backbone("random-3d", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.features(clips), again.features(clips))
    assert distance(other.features(clips), first.features(clips)) > 0.1
    assert first.weights_hash == again.weights_hash != other.weights_hash
    state = torch.random.get_rng_state()
    load_backbone("random-3d", seed=2)
    assert torch.equal(torch.random.get_rng_state(), state), "nothing global may be drawn from"


def test_random_weights_are_the_same_everywhere():
    assert RandomFeatures(3, 0).weights_hash() == "5ef25b2a6d72"
    assert RandomFeatures(2, 0).weights_hash() == "462ebbce5fe1"


def test_random_weights_follow_he():
    weights = he_uniform((64, 50, 3, 3), seed=5, layer=1).double()
    limit = np.sqrt(6 / 450)
    assert float(weights.abs().max()) <= limit
    assert float(weights.mean()) == pytest.approx(0, abs=4 * limit / np.sqrt(3 * weights.numel()))
    assert float(weights.var()) == pytest.approx(2 / 450, rel=0.02)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True])
def test_seeds_are_whole_numbers(seed):
    with pytest.raises(MetricError, match="seed must be a whole number"):
        load_backbone("random-3d", seed=seed)


def test_frames_are_spread_evenly_with_both_ends():
    clip = torch.arange(31, dtype=torch.uint8)[None, :, None, None, None].expand(1, 31, 3, 1, 1)
    assert uniform_frames(clip, 7, "x")[0, :, 0, 0, 0].tolist() == [0, 5, 10, 15, 20, 25, 30]
    assert uniform_frames(clip[:, :10], 4, "x")[0, :, 0, 0, 0].tolist() == [0, 3, 6, 9]
    assert uniform_frames(clip[:, :8], 3, "x")[0, :, 0, 0, 0].tolist() == [0, 4, 7]  # 3.5 is rounded up
    assert uniform_frames(clip, 31, "x")[0, :, 0, 0, 0].tolist() == list(range(31))
    assert uniform_frames(clip, 1, "x")[0, :, 0, 0, 0].tolist() == [15]
    with pytest.raises(ClipError, match="x needs at least 32 frames, got a clip of 31"):
        uniform_frames(clip, 32, "x")


def test_frames_of_the_right_size_are_only_rescaled():
    frames = noise(2, 3, 3, 10, 12)
    assert torch.equal(squashed(frames, (10, 12)), frames.float())
    assert torch.equal(in_unit_range(squashed(frames, (10, 12))), frames / 127.5 - 1)
    assert torch.equal(cropped(frames, 10), frames[..., 1:11].float())
    assert torch.equal(cropped(frames.transpose(-1, -2), 10), frames.transpose(-1, -2)[..., 1:11, :].float())


def test_antialias_widens_the_filter():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    assert squashed(stripes, (16, 16), antialias=True)[..., 1:-1].std() < 1
    assert squashed(stripes, (21, 21)).std() > 50


def test_nothing_around_the_call_changes_the_numbers():
    clips = smooth(1, 16, 32, 32)
    backbone = load_backbone("random-3d")
    expected = backbone.features(clips)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(backbone.features(clips), expected)


def test_convolutions_compute_in_full_float32_and_the_setting_is_restored():
    setting = torch.backends.cudnn.conv
    seen = []

    def network(clips: Tensor) -> Tensor:
        seen.append(setting.fp32_precision)
        raise ValueError("stop")

    backbone = ClipNetwork(
        name="toy",
        weights_hash="0" * 12,
        policy="1f",
        dimensions=1,
        frames=1,
        device=torch.device("cpu"),
        network=network,
    )
    before = setting.fp32_precision
    with pytest.raises(ValueError, match="stop"):
        backbone.features(noise(1, 1, 3, 4, 4))
    assert seen == ["ieee"]
    assert setting.fp32_precision == before
