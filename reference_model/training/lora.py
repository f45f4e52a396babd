"""Low-rank adapters (Hu et al. 2021, LoRA) on the transformer's linear layers, by the package `peft`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reference_model.checkpoint.empty import without_values
from reference_model.errors import CheckpointError, ConfigError
from reference_model.transformer.model import StepVideoTransformer

Layers = Literal["attention", "mlp"]
LINEAR_LAYERS: dict[Layers, tuple[str, ...]] = {
    "attention": ("attn1.wqkv", "attn1.wo", "attn2.wq", "attn2.wkv", "attn2.wo"),
    "mlp": ("ff.net.0.proj", "ff.net.2"),
}
"""Linear layers of each `TransformerBlock`; those outside the blocks get no adapters."""

ADAPTER = "default"
WEIGHTS_FILE = "adapter_model.safetensors"
PEFT_PREFIX = "base_model.model."
"""What `peft.PeftModel` puts in front of every name in a file of adapters."""


def add_adapters(
    transformer: StepVideoTransformer,
    *,
    rank: int,
    alpha: float,
    layers: Sequence[Layers] = ("attention", "mlp"),
    generator: torch.Generator,
) -> None:
    """Adds adapters in place and freezes everything else; the output stays the same until they are trained.

    A layer W becomes `W + alpha / rank * B A` with A drawn at random and B zero. Adapters are float32 whatever the
    dtype of W. Names in the state dict change (`wqkv.weight` becomes `wqkv.base_layer.weight`): save adapters with
    `save_adapters`, whole models with `merged`.

    Args:
        transformer: Without adapters.
        rank: Rows of A.
        alpha: See the formula.
        layers: Which linear layers of the blocks.
        generator: On the CPU, for A.

    Raises:
        ConfigError: If the transformer has adapters already, or `peft` is not installed.
    """
    targets = [name for kind in layers for name in LINEAR_LAYERS[kind]]
    config = _peft().LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets)  # pyright: ignore[reportArgumentType]
    _inject(transformer, config)
    for layer in _adapted(transformer).values():
        drawn = torch.empty(layer.lora_A[ADAPTER].weight.shape)
        nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
        first, second = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
        if first.weight.is_meta:  # as the weights that are yet to be read
            first.weight, second.weight = nn.Parameter(drawn), nn.Parameter(torch.zeros(second.weight.shape))
            continue
        with torch.no_grad():
            first.weight.copy_(drawn)


def has_adapters(transformer: nn.Module) -> bool:
    """Whether `add_adapters` or `load_adapters` was called."""
    return hasattr(transformer, "peft_config")


@contextmanager
def adapters_off(transformer: StepVideoTransformer) -> Iterator[None]:
    """Inside the block the transformer computes as it did without adapters."""
    layers = list(_adapted(transformer).values())
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@torch.no_grad()
def scale_adapters(transformer: StepVideoTransformer, share: float) -> None:
    """Multiplies what the adapters add to the weights, in place: 0 is the model without them, 1 changes nothing."""
    for layer in _adapted(transformer).values():
        layer.lora_B[ADAPTER].weight.mul_(share)


@torch.no_grad()
def merged(transformer: StepVideoTransformer) -> StepVideoTransformer:
    """A plain transformer, with the released names and dtypes, that computes the same.

    Weights without adapters are shared with the original, all others are new; sums are taken in float32.
    """
    state: dict[str, Tensor] = {
        name.replace(".base_layer.", "."): value
        for name, value in transformer.state_dict().items()
        if ".lora_" not in name
    }
    for name, layer in _adapted(transformer).items():
        weight = state[f"{name}.weight"]
        state[f"{name}.weight"] = (weight.float() + layer.get_delta_weight(ADAPTER).float()).to(weight.dtype)
    with without_values():
        plain = StepVideoTransformer(transformer.cfg)
    plain.load_state_dict(state, strict=True, assign=True)
    return plain


def save_adapters(transformer: StepVideoTransformer, folder: Path) -> None:
    """Writes the adapters as `peft` does, so that `peft.PeftModel.from_pretrained` reads them too."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {PEFT_PREFIX + name: value.cpu().contiguous() for name, value in _tensors(transformer).items()}
    save_file(tensors, folder / WEIGHTS_FILE)
    transformer.peft_config[ADAPTER].save_pretrained(folder)  # pyright: ignore


def load_adapters(transformer: StepVideoTransformer, folder: Path) -> None:
    """Adds adapters that `save_adapters` wrote.

    Raises:
        CheckpointError: If there are none in the folder, or they belong to another model.
        ConfigError: As `add_adapters`.
    """
    try:
        config = _peft().LoraConfig.from_pretrained(folder)
        found = {name.removeprefix(PEFT_PREFIX): value for name, value in load_file(folder / WEIGHTS_FILE).items()}
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"no adapters can be read from {folder}: {error}") from error
    _inject(transformer, config)
    own = _tensors(transformer)
    wrong = sorted(name for name in own.keys() | found.keys() if _shape(own, name) != _shape(found, name))
    if wrong:
        raise CheckpointError(
            f"the adapters in {folder} belong to another model: {len(wrong)} tensors differ, first {wrong[0]}: "
            f"shape {_shape(found, wrong[0])} in the file, {_shape(own, wrong[0])} here"
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(found[name])


def _inject(transformer: StepVideoTransformer, config: Any) -> None:
    if has_adapters(transformer):
        raise ConfigError("this transformer has adapters already", hint="merge them first: merged(transformer)")
    # peft draws from the global generator; what it draws is overwritten, and the generator left as it was.
    with torch.random.fork_rng(devices=[]):
        _peft().inject_adapter_in_model(config, transformer, ADAPTER)
    for name, value in transformer.named_parameters():
        if ".lora_" in name:
            value.data = value.data.float()


def _adapted(transformer: nn.Module) -> dict[str, Any]:
    """Name of a layer -> the layer with its adapter; empty without adapters."""
    return {name: module for name, module in transformer.named_modules() if hasattr(module, "lora_A")}


def _tensors(transformer: nn.Module) -> dict[str, Tensor]:
    """Adapter weights under the names of `peft`'s files."""
    marker = f".{ADAPTER}.weight"
    return {
        name.replace(marker, ".weight"): value.detach()
        for name, value in transformer.named_parameters()
        if ".lora_" in name
    }


def _shape(tensors: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None


def _peft() -> ModuleType:
    try:
        import peft
    except ImportError as error:
        raise ConfigError(
            "adapters need the package peft, which is not installed",
            hint='pip install "stepbench[train]", or tune all weights: lora_rank = 0',
        ) from error
    return peft
