"""I3D against golden logits, and against the same network written down a second time."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from random_weights import GOLDEN, i3d_state, smooth_clip
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.modules.utils import _triple

from metrics.backbones import I3D
from metrics.backbones.i3d import Unit, max_pool_same, same_padding
from metrics.errors import ClipError


def distance(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual - expected).norm() / expected.norm())


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return i3d_state(11)


@pytest.fixture(scope="module")
def network(state) -> I3D:
    network = I3D()
    network.load_state_dict(state)
    return network.requires_grad_(False)


def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around x, as many as the rule says, one dimension after the other."""
    widths: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        widths = [total // 2, total - total // 2, *widths]
    return F.pad(x, widths)


def plain_i3d(x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Logits before the mean, written without any of the network's shortcuts."""

    def unit(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv3d.weight"]
        x = F.conv3d(padded(x, tuple(weight.shape[2:]), _triple(stride)), weight, stride=stride)
        mean, variance, scale, bias = (
            state[f"{name}.bn.{part}"][:, None, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (variance + 1e-3).sqrt() * scale + bias).clamp(min=0)

    def pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        return F.max_pool3d(padded(x, kernel, stride), kernel, stride)

    def mixed(x: Tensor, name: str) -> Tensor:
        branches = [unit(x, f"{name}.b0")]
        branches += [unit(unit(x, f"{name}.{b}a"), f"{name}.{b}b") for b in ("b1", "b2")]
        return torch.cat([*branches, unit(pool(x, (3, 3, 3), (1, 1, 1)), f"{name}.b3b")], dim=1)

    x = pool(unit(x, "Conv3d_1a_7x7", 2), (1, 3, 3), (1, 2, 2))
    x = pool(unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    x = pool(mixed(mixed(x, "Mixed_3b"), "Mixed_3c"), (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(x, f"Mixed_4{letter}")
    x = mixed(mixed(pool(x, (2, 2, 2), (2, 2, 2)), "Mixed_5b"), "Mixed_5c")
    x = F.avg_pool3d(x, (2, 7, 7), stride=1)
    return F.conv3d(x, state["logits.conv3d.weight"], state["logits.conv3d.bias"]).flatten(2)


def test_names_and_shapes_are_those_of_the_released_file():
    released = json.loads((GOLDEN / "names_i3d.json").read_text(encoding="utf-8"))["shapes"]
    with torch.device("meta"):
        ours = {name: list(value.shape) for name, value in I3D().state_dict().items()}
    assert ours == released
    assert len(ours) == 344


def test_logits_equal_golden(network):
    expected = load_file(GOLDEN / "i3d.safetensors")["outputs.logits"]
    actual = network.logits_over_time(smooth_clip((1, 3, 16, 224, 224), 11))
    assert actual.shape == (1, 400, 1)
    assert distance(actual, expected) < 1e-5


def test_odd_sizes_equal_the_network_written_plainly(network, state):
    # 19 frames: 10 after the first convolution, 5 and 3 after the pools, which pads each of them in another way.
    clip = smooth_clip((1, 3, 19, 224, 224), 5)
    expected = plain_i3d(clip, state)
    assert expected.shape == (1, 400, 2)
    assert distance(network(clip), expected.mean(dim=2)) < 1e-5


def test_order_in_memory_and_company_do_not_matter(network):
    clips = smooth_clip((2, 3, 9, 224, 224), 3)
    together = network(clips)
    assert together.shape == (2, 400)
    alone = network(clips[1:].contiguous(memory_format=torch.channels_last_3d))
    assert distance(together[1:], alone) < 1e-5


@pytest.mark.parametrize("size", range(5, 13))
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pools_pad_with_zeros_on_both_sides_as_needed(size, kernel, stride):
    x = torch.rand(2, 3, size, size + 1, 9, generator=torch.Generator().manual_seed(size))
    expected = F.max_pool3d(padded(x, kernel, stride), kernel, stride)
    assert expected.shape[2:] == tuple(-(-length // s) for length, s in zip(x.shape[2:], stride, strict=True))
    assert torch.equal(max_pool_same(x, kernel, stride), expected)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 7, 5), (4, 14, 14)])
def test_pooling_an_axis_at_a_time_gives_the_same_maxima(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(5)).to(torch.bfloat16)
    with torch.no_grad():
        found = max_pool_same(x, (3, 3, 3), (1, 1, 1))
    assert torch.equal(found, F.max_pool3d(x, 3, 1, 1))


def test_what_is_odd_about_the_padding_goes_behind():
    assert same_padding((16, 224, 15), (7, 7, 7), (2, 2, 2)) == ((2, 2, 3), (3, 3, 3))
    assert same_padding((4, 5, 6), (1, 3, 2), (1, 1, 2)) == ((0, 1, 0), (0, 1, 0))


@pytest.mark.parametrize("kernel", [(1, 1, 1), (3, 3, 3), (7, 7, 7)])
def test_units_convolve_normalise_and_cut_off(kernel):
    stride = (2, 2, 2) if kernel == (7, 7, 7) else (1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    unit = Unit(2, 5, kernel, stride).eval().requires_grad_(False)
    unit.bn.running_mean.copy_(torch.rand(5, generator=generator))
    unit.bn.running_var.copy_(torch.rand(5, generator=generator) + 0.5)
    x = torch.randn(2, 2, 6, 7, 8, generator=generator)
    expected = F.relu(unit.bn(F.conv3d(padded(x, kernel, stride), unit.conv3d.weight, stride=stride)))
    assert distance(unit(x), expected) < 1e-5


def test_it_comes_in_evaluation_mode():
    with torch.device("meta"):
        assert not any(module.training for module in I3D().modules())


@pytest.mark.parametrize("counters", [True, False])
def test_files_load_with_and_without_counters(counters):
    network = I3D()
    state = network.state_dict()  # an ordered dict that says its version, which makes torch insist on the counters
    if not counters:
        for name in [name for name in state if name.endswith("num_batches_tracked")]:
            del state[name]
    missing, unexpected = network.load_state_dict(state)
    assert (missing, unexpected) == ([], [])


def test_anything_else_missing_or_added_or_of_another_shape_is_refused():
    with torch.device("meta"):
        network = I3D()
    state = network.state_dict()
    missing = {name: value for name, value in state.items() if name != "Mixed_4e.b2b.bn.bias"}
    with pytest.raises(RuntimeError, match=r"Missing key.*Mixed_4e\.b2b\.bn\.bias"):
        network.load_state_dict(missing)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*extra"):
        network.load_state_dict({**state, "extra": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"size mismatch for logits\.conv3d\.bias"):
        network.load_state_dict({**state, "logits.conv3d.bias": torch.zeros(600)})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 16, 224, 224), r"\(batch, 3, time, 224, 224\), got shape \(3, 16, 224, 224\)"),
        ((1, 16, 3, 224, 224), r"got shape \(1, 16, 3, 224, 224\)"),
        ((1, 3, 16, 112, 224), r"got shape \(1, 3, 16, 112, 224\)"),
        ((1, 3, 8, 224, 224), "at least 9 frames, got a clip of 8"),
    ],
)
def test_other_shapes_are_named(network, shape, message):
    with pytest.raises(ClipError, match=message):
        network(torch.zeros(shape))
