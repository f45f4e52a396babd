"""LPIPS with random trunks against the `lpips` package, and against its definition on torchvision's own models."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import clips
import lpips as package
import pytest
import torch
import torchvision
from random_weights import TRUNKS, torchvision_model, trunk_state, write_trunk
from torch import Tensor

import metrics
from metrics.backbones.lpips_network import load_lpips
from metrics.errors import ClipError, MetricError, UnavailableMetricError
from metrics.functional import lpips

RELUS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
"""Layers of torchvision's `features` after which images are compared."""


def pair(side: int = 48) -> tuple[Tensor, Tensor]:
    target = torch.stack([clips.moving(seed, frames=3, side=side) for seed in range(2)])
    return torch.stack([clips.with_noise(target[0], 10), clips.blurred(target[1], 1.5)]), target


def head(net: str) -> list[Tensor]:
    """The package's weights of the channels of each layer."""
    path = Path(package.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    layers = torch.load(path, map_location="cpu", weights_only=True)
    return [layers[f"lin{index}.model.1.weight"] for index in range(len(layers))]


def by_definition(ours: Tensor, theirs: Tensor, net: str) -> Tensor:
    """One value per frame, from the features of torchvision's own model."""
    model = torchvision_model(net)
    model.load_state_dict(trunk_state(net), strict=False, assign=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    layers: list[list[Tensor]] = []
    for frames in (ours, theirs):
        x = (frames / 127.5 - 1 - shift[:, None, None]) / scale[:, None, None]
        seen = []
        for index, layer in enumerate(model.features[: RELUS[net][-1] + 1]):
            x = layer(x.clone())  # ReLUs write in place
            if index in RELUS[net]:
                seen.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        layers.append(seen)
    total = torch.zeros(len(ours))
    for a, b, weight in zip(*layers, head(net), strict=True):
        total += ((a - b).square() * weight[0]).sum(dim=1).mean(dim=(1, 2))
    return total


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_values_follow_the_definition(net, weights_folder: Path):
    write_trunk(weights_folder, net)
    preds, target = pair()
    with torch.no_grad():
        pairs = zip(preds, target, strict=True)
        expected = [float(by_definition(ours, theirs, net).double().mean()) for ours, theirs in pairs]
    values = lpips(preds, target, net=net)
    assert values.dtype == torch.float64
    assert values.tolist() == pytest.approx(expected, rel=1e-5)
    assert min(expected) > 1e-3
    assert expected[0] != pytest.approx(expected[1], rel=0.01)


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained':UserWarning")
@pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning")
@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_values_equal_those_of_the_package_as_everybody_builds_it(net, weights_folder, monkeypatch):
    write_trunk(weights_folder, net)
    whole = {name: torch.zeros(value.shape) for name, value in torchvision_model(net).state_dict().items()}
    published = {**whole, **trunk_state(net)}
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda *_, **__: published)
    model = package.LPIPS(net=net, verbose=False)
    preds, target = pair()
    with torch.no_grad():
        expected = [
            float(model(ours / 127.5 - 1, theirs / 127.5 - 1).double().mean())
            for ours, theirs in zip(preds, target, strict=True)
        ]
    assert lpips(preds, target, net=net).tolist() == pytest.approx(expected, rel=1e-6)


def test_frames_that_do_not_fit_at_once_change_nothing(monkeypatch: pytest.MonkeyPatch):
    preds, target = pair()
    together = lpips(preds, target)
    monkeypatch.setattr(sys.modules["metrics.functional.lpips"], "_PIXELS_AT_ONCE", 2 * 48 * 48)
    assert lpips(preds, target).tolist() == pytest.approx(together.tolist(), rel=1e-6)


def test_the_card_of_an_object_names_net_and_weights(weights_for_all_metrics: Path, weights_folder: Path, monkeypatch):
    write_trunk(weights_folder, "squeeze")
    squeeze = metrics.build("lpips", net="squeeze")
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(weights_for_all_metrics))
    alex = metrics.build("lpips")
    content = (weights_for_all_metrics / TRUNKS["alex"]).read_bytes()
    content += (Path(package.__file__).parent / "weights" / "v0.1" / "alex.pth").read_bytes()
    assert alex.card.id == f"lpips@1:{hashlib.sha256(content).hexdigest()[:12]}:native-alex"
    assert squeeze.card.policy == "native-squeeze"
    assert squeeze.card.weights_hash != alex.card.weights_hash
    assert (alex.card.backbone, squeeze.card.backbone) == ("lpips-alex", "lpips-squeeze")
    assert metrics.describe("lpips").id == "lpips@1:native-alex"


def test_other_weights_give_other_values_under_another_id(weights_folder: Path):
    preds, target = pair()
    values, hashes = [], []
    for seed in (1, 2):
        write_trunk(weights_folder, "alex", seed)
        values.append(float(lpips(preds, target).mean()))
        hashes.append(metrics.build("lpips").card.weights_hash)
    assert values[0] != pytest.approx(values[1], rel=0.01)
    assert hashes[0] != hashes[1]


def test_networks_are_read_once_and_draw_nothing_global():
    state = torch.random.get_rng_state()
    assert load_lpips("alex") is load_lpips("alex")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(parameter.requires_grad for parameter in load_lpips("alex").model.parameters())


@pytest.mark.parametrize(("net", "least"), [("alex", 31), ("squeeze", 17), ("vgg", 16)])
def test_small_frames_are_refused_and_no_smaller_ones_than_needed(net, least, weights_folder: Path):
    write_trunk(weights_folder, net)
    frames = torch.zeros(1, 1, 3, least, 40, dtype=torch.uint8)
    assert lpips(frames, frames, net=net).tolist() == [0.0]
    message = f"lpips with {net} needs frames of at least {least} x {least} pixels, got {least - 1} x 40"
    with pytest.raises(ClipError, match=message):
        lpips(frames[..., 1:, :], frames[..., 1:, :], net=net)


def test_pairs_must_match():
    clip = clips.batch(1)
    with pytest.raises(ClipError, match=r"got \(1, 5, 3, 48, 48\) for a clip \(1, 6, 3, 48, 48\)"):
        lpips(clip, clip[:, :5])
    with pytest.raises(ClipError, match=r"must be uint8.*float32"):
        lpips(clip.float(), clip)


def test_unknown_nets_are_refused():
    with pytest.raises(MetricError, match="net must be one of alex, vgg, squeeze, got 'resnet'"):
        metrics.build("lpips", net="resnet")


def test_missing_weights_and_packages_name_the_command(weights_folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UnavailableMetricError, match="stepbench weights pull vgg16-imagenet"):
        metrics.build("lpips", net="vgg")
    write_trunk(weights_folder, "alex")
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(UnavailableMetricError, match=r"(?s)LPIPS needs the package lpips.*'stepbench\[metrics\]'"):
        metrics.build("lpips")


def test_what_is_missing_is_known_without_loading(weights_folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert "stepbench weights pull alexnet-imagenet" in metrics.METRICS["lpips"].unavailable()
    write_trunk(weights_folder, "alex")
    assert metrics.METRICS["lpips"].unavailable() == ""
    monkeypatch.setitem(sys.modules, "lpips", None)
    assert "LPIPS needs the package lpips" in metrics.METRICS["lpips"].unavailable()


def test_no_clips_have_no_values():
    none = clips.batch(1)[:0]
    values = lpips(none, none)
    assert (values.shape, values.dtype) == ((0,), torch.float64)


def test_other_weights_are_refused(weights_folder: Path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, weights_folder / TRUNKS["alex"])
    with pytest.raises(UnavailableMetricError, match=r"does not hold the weights alexnet-imagenet: .*size mismatch"):
        metrics.build("lpips")


def test_a_package_without_its_heads_is_named(weights_folder, tmp_path, monkeypatch):
    write_trunk(weights_folder, "alex")
    monkeypatch.setattr(package, "__file__", str(tmp_path / "lpips" / "__init__.py"))
    with pytest.raises(UnavailableMetricError, match=r"the installed lpips package lacks alex\.pth of LPIPS 0\.1"):
        metrics.build("lpips")
