"""Random weights in the formats of the published files: what the networks behind metrics are tested with."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"

TRUNKS = {"alex": "alexnet-imagenet", "vgg": "vgg16-imagenet", "squeeze": "squeezenet1_1-imagenet"}
_MODELS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def procedural(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """The value of one tensor of a state dict, a function of its name, shape and a seed alone."""
    rng = np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())]))
    if name.endswith("running_var"):
        value = rng.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        value = 0.1 * rng.standard_normal(shape)
    elif name.endswith("bn.weight"):
        value = rng.uniform(0.7, 1.3, shape)
    elif name.endswith("bias"):
        value = 0.1 * rng.standard_normal(shape)
    elif len(shape) >= 4:
        value = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
    else:
        value = rng.standard_normal(shape)
    return torch.from_numpy(np.asarray(value)).float()


def smooth_clip(shape: tuple[int, int, int, int, int], seed: int) -> Tensor:
    """A random clip (batch, channel, time, height, width), smooth in space, in about [-4, 4]."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 1]))
    noise = torch.from_numpy(rng.uniform(-1, 1, shape)).float()
    return F.avg_pool3d(noise, (1, 9, 9), 1, (0, 4, 4)) * 4


def i3d_state(seed: int, *, counters: bool = False) -> dict[str, Tensor]:
    """Weights of an I3D under the released names, with or without the counters that older files lack."""
    shapes = json.loads((GOLDEN / "names_i3d.json").read_text(encoding="utf-8"))["shapes"]
    state = {name: procedural(name, tuple(shape), seed) for name, shape in shapes.items() if shape}
    return {**state, **({name: torch.tensor(0) for name, shape in shapes.items() if not shape} if counters else {})}


def torchvision_model(net: str) -> torch.nn.Module:
    """Torchvision's own model of a trunk of LPIPS, without values."""
    with torch.device("meta"):
        return getattr(torchvision.models, _MODELS[net])(weights=None)


def trunk_state(net: str, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of a trunk of LPIPS under torchvision's names, without the classifier."""
    shapes = {name: tuple(value.shape) for name, value in torchvision_model(net).state_dict().items()}
    return {name: procedural(name, shape, seed) for name, shape in shapes.items() if name.startswith("features.")}


def write_trunk(folder: Path, net: str, seed: int = 0) -> Path:
    """A weights file as torchvision publishes it; what its classifier holds matters to nobody."""
    path = folder / TRUNKS[net]
    torch.save({**trunk_state(net, seed), "classifier.1.weight": torch.zeros(2, 2)}, path)
    return path
