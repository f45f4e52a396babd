"""The networks of the `lpips` package, put together from files on this machine: its constructor would fetch one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from metrics.backbones.kept_features import KeptFeatures
from metrics.backbones.state_files import load_state, read_state
from metrics.errors import MetricError, UnavailableMetricError
from metrics.optional_packages import load_package
from metrics.weights import find_weights, weights_hash

Net = Literal["alex", "vgg", "squeeze"]

_TRUNKS: dict[str, str] = {"alex": "alexnet-imagenet", "vgg": "vgg16-imagenet", "squeeze": "squeezenet1_1-imagenet"}
_VERSION = "0.1"


@dataclass(frozen=True)
class LpipsNetwork:
    """A network that compares images.

    Attributes:
        model: `lpips.LPIPS`: two batches of images in [-1, 1] -> (n, 1, 1, 1).
        weights_hash: Start of the sha256 of both its files, the trunk's and the head's.
        kept: Trunk features of references, where a caller gives room for them.
    """

    model: nn.Module
    weights_hash: str
    kept: KeptFeatures = field(default_factory=KeptFeatures)


def load_lpips(net: Net, device: torch.device | str = "cpu") -> LpipsNetwork:
    """LPIPS 0.1: torchvision's trunk with the linear head that comes with the `lpips` package. Read once, then kept.

    Raises:
        MetricError: `net` is none of alex, vgg and squeeze.
        UnavailableMetricError: The package or the trunk's weights are not on this machine.
    """
    if net not in get_args(Net):
        raise MetricError(f"lpips: net must be one of {', '.join(get_args(Net))}, got {net!r}")
    trunk = find_weights(_TRUNKS[net])
    return _load(net, trunk, trunk.stat().st_mtime_ns, torch.device(device))


def check_lpips(net: Net) -> None:
    """Refuse a network that cannot be loaded here, without reading it.

    Raises:
        UnavailableMetricError: The package or the trunk's weights are not on this machine.
    """
    if find_spec("lpips") is None:
        load_package("lpips", "LPIPS")
    find_weights(_TRUNKS[net])


@lru_cache(maxsize=3)
def _load(net: Net, trunk: Path, _written: int, device: torch.device) -> LpipsNetwork:
    package = load_package("lpips", "LPIPS")
    head = Path(package.__file__ or "").parent / "weights" / f"v{_VERSION}" / f"{net}.pth"
    model = _empty(package, net)
    values = {**model.scaling_layer.state_dict(prefix="scaling_layer."), **_heads(head)}
    published = read_state(_TRUNKS[net])
    for name in model.net.state_dict():  # slice1.0.weight is torchvision's features.0.weight
        values[f"net.{name}"] = published.get("features." + name.partition(".")[2], torch.empty(0))
    return LpipsNetwork(load_state(model, values, _TRUNKS[net]).to(device), weights_hash(trunk, head))


def _empty(package: Any, net: Net) -> Any:
    """The package's module without values, and without its warnings about how it calls torchvision."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The parameter 'pretrained' is deprecated", UserWarning)
        warnings.filterwarnings("ignore", "Arguments other than a weight enum or `None` for 'weights'", UserWarning)
        return package.LPIPS(net=net, version=_VERSION, pretrained=False, pnet_rand=True, verbose=False)


def _heads(file: Path) -> dict[str, torch.Tensor]:
    """Weights of the linear layers under both names that the package's module has for each of them."""
    try:
        layers = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UnavailableMetricError(
            f"the installed lpips package lacks {file.name} of LPIPS {_VERSION} ({error.strerror})",
            hint="run `pip install --force-reinstall lpips`",
        ) from error
    both = {name.replace("lin", "lins.", 1): value for name, value in layers.items()}
    return {**layers, **both}
