"""References whose LPIPS features are kept: same values to the bit, no second pass, memory within its bound."""

from __future__ import annotations

import clips
import pytest
import torch
from random_weights import write_trunk

import metrics
from metrics.backbones.kept_features import KeptFeatures
from metrics.backbones.lpips_network import load_lpips
from metrics.errors import MetricError
from metrics.functional import lpips

MIB = 1 << 20


def images(value: int) -> torch.Tensor:
    return torch.full((2, 3, 4, 4), value, dtype=torch.uint8)


class Trunk:
    """Makes a layer of half a MiB, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> list[torch.Tensor]:
        self.calls += 1
        return [torch.full((MIB // 8,), float(self.calls))]


def test_what_was_used_last_stays_and_the_rest_goes():
    kept, trunk = KeptFeatures(), Trunk()
    for value in (1, 2, 1, 3, 1):  # room for two: 3 takes the place of 2
        kept.find_or_make(images(value), "float32", MIB, trunk)
    assert trunk.calls == 3
    assert kept.size == MIB
    assert float(kept.find_or_make(images(1), "float32", MIB, trunk)[0][0]) == 1
    kept.find_or_make(images(2), "float32", MIB, trunk)
    assert trunk.calls == 4


def test_less_room_lets_go_and_none_looks_for_nothing():
    kept, trunk = KeptFeatures(), Trunk()
    for value in (1, 2):
        kept.find_or_make(images(value), "float32", MIB, trunk)
    kept.find_or_make(images(1), "float32", 0, trunk)
    assert (trunk.calls, kept.size) == (3, MIB)
    kept.find_or_make(images(2), "float32", MIB // 2, trunk)
    assert (trunk.calls, kept.size) == (3, MIB // 2)
    kept.find_or_make(images(3), "float32", MIB // 4, trunk)  # too large to be kept
    assert (trunk.calls, kept.size) == (4, 0)


def test_other_shapes_and_precisions_are_others():
    kept, trunk = KeptFeatures(), Trunk()
    for frames, precision in [
        (images(0), "float32"),
        (images(0), "bf16"),
        (images(0).reshape(1, 3, 8, 4), "float32"),
        (images(0).transpose(2, 3), "float32"),  # the same levels at the same places
    ]:
        kept.find_or_make(frames, precision, 100 * MIB, trunk)
    assert trunk.calls == 3


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_kept_references_change_no_bit_and_spare_a_pass(precision, weights_folder, monkeypatch):
    write_trunk(weights_folder, "alex")
    network = load_lpips("alex")
    seen = []
    network.model.net.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    target = torch.stack([clips.moving(seed, frames=3, side=48) for seed in range(2)])
    models = [torch.stack([clips.with_noise(clip, sigma) for clip in target]) for sigma in (5, 10)]
    plain = [lpips(preds, target, precision=precision) for preds in models]
    assert len(seen) == 8
    seen.clear()
    kept = [lpips(preds, target, precision=precision, keep_references_mib=64) for preds in models]
    assert len(seen) == 6
    assert [one.tolist() for one in kept] == [one.tolist() for one in plain]
    assert 0 < network.kept.size < 64 * MIB


def test_a_metric_keeps_references_between_epochs(weights_folder):
    write_trunk(weights_folder, "alex")
    network = load_lpips("alex")
    passes = []
    network.model.net.register_forward_hook(lambda *_: passes.append(1))
    target = clips.moving(0, frames=3, side=48)
    metric, plain = metrics.build("lpips", keep_references_mib=16), metrics.build("lpips")
    values = []
    for epoch in range(3):
        metric.update(clips.with_noise(target, 5 + epoch)[None], target[None])
        values.append(float(metric.compute()))
        metric.reset()
    assert len(passes) == 4
    assert metric.card.id == plain.card.id
    plain.update(clips.with_noise(target, 7)[None], target[None])
    assert values[2] == float(plain.compute())


@pytest.mark.parametrize("room", [-1, 1.5, True, "64"])
def test_room_is_a_whole_number(room):
    with pytest.raises(MetricError, match="keep_references_mib must be a whole number of MiB, 0 or more, got"):
        metrics.build("lpips", keep_references_mib=room)
    clip = clips.batch(1)
    with pytest.raises(MetricError, match="keep_references_mib must be a whole number of MiB"):
        lpips(clip, clip, keep_references_mib=room)
