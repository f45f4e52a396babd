"""AdamW with the recipe's rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from reference_model.errors import CheckpointError, ConfigError
from reference_model.training.blocks import blocks_of
from reference_model.training.combined_optimiser import CombinedOptimiser
from reference_model.training.distributed import like
from reference_model.training.recipe import TrainingRecipe

AnyOptimiser = torch.optim.Optimizer | CombinedOptimiser


def build_optimiser(model: nn.Module, recipe: TrainingRecipe) -> AnyOptimiser:
    """AdamW over all trainable parameters, or Muon for some of them (`TrainingRecipe.matrix_optimiser`).

    Every group keeps its peak rate in `peak_lr`; `set_rate` scales from there.

    Raises:
        ConfigError: If nothing is trainable.
    """
    matrices = _block_matrices(model) if recipe.matrix_optimiser == "muon" else set()
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for _, parameter in trainable(model):
        if parameter not in matrices:
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((_rate(parameter, recipe), decay), []).append(parameter)
    if not groups and not matrices:
        raise ConfigError("the model has no trainable parameters", hint="requires_grad is False for all of them")
    adam = torch.optim.AdamW(
        [
            {"params": members, "lr": rate, "peak_lr": rate, "weight_decay": decay}
            for (rate, decay), members in groups.items()
        ],
        betas=(recipe.betas[0], recipe.betas[1]),
        fused=True,
    )
    if not matrices:
        return adam
    rate = recipe.learning_rate
    ordered = [parameter for _, parameter in trainable(model) if parameter in matrices]
    group = {"params": ordered, "lr": rate, "peak_lr": rate}
    muon = torch.optim.Muon([group], weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
    return CombinedOptimiser([adam, muon])


def _block_matrices(model: nn.Module) -> set[Tensor]:
    """Weights of the linear layers inside a model's repeated blocks."""
    layers = (layer for block in blocks_of(model) for layer in block.modules() if isinstance(layer, nn.Linear))
    return {layer.weight for layer in layers if layer.weight.requires_grad}


def set_rate(optimiser: AnyOptimiser, share: float) -> None:
    """Sets every group to a share of its peak rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * share


def trainable(model: nn.Module) -> Iterable[tuple[str, nn.Parameter]]:
    """Names and parameters that are trained."""
    return ((name, value) for name, value in model.named_parameters() if value.requires_grad)


def optimiser_state(optimiser: AnyOptimiser, model: nn.Module) -> dict[str, Tensor]:
    """Every moment of the optimiser as `<parameter>/<moment>`."""
    return {
        f"{name}/{moment}": value
        for name, parameter in trainable(model)
        for moment, value in optimiser.state[parameter].items()
    }


@torch.no_grad()
def restore_optimiser(optimiser: AnyOptimiser, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimiser_state`, from whole tensors.

    Raises:
        CheckpointError: If they belong to other parameters.
    """
    parameters = dict(trainable(model))
    for key, value in tensors.items():
        name, _, moment = key.rpartition("/")
        if name not in parameters or (moment != "step" and value.shape != parameters[name].shape):
            raise CheckpointError(f"the optimiser's {key} belongs to no trained parameter of this model")
        parameter = parameters[name]
        # Fused AdamW walks through memory: its moments must have the strides of the parameter.
        empty = (
            torch.empty((), dtype=torch.float32, device=parameter.device)
            if moment == "step"
            else torch.empty_like(parameter)
        )
        optimiser.state[parameter][moment] = empty.copy_(like(value, empty))


def _rate(parameter: nn.Parameter, recipe: TrainingRecipe) -> float:
    if recipe.fan_in_reference is None or parameter.ndim < 2:
        return recipe.learning_rate
    fan_in = parameter.shape.numel() // parameter.shape[0]
    return recipe.learning_rate * min(1.0, recipe.fan_in_reference / fan_in)
