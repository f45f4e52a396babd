"""Muon for the matrices inside blocks, AdamW for the rest, stepped and continued as one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from training_toys import ToyTask, assert_same_run, toy_recipe, toy_run

from reference_model.errors import ConfigError
from reference_model.training.combined_optimiser import CombinedOptimiser
from reference_model.training.optimiser import build_optimiser, set_rate


class MatrixModel(nn.Module):
    """Two blocks with a matrix each, and matrices outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.inlet = nn.Linear(16, 6)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)) for _ in range(2))
        self.outlet = nn.Linear(6, 1)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inlet(x.flatten(1))
        for block in self.blocks:
            x = x + torch.tanh(block(x))
        return self.outlet(x)


def test_only_matrices_inside_blocks_go_to_muon():
    model = MatrixModel()
    optimiser = build_optimiser(model, toy_recipe(matrix_optimiser="muon"))
    assert isinstance(optimiser, CombinedOptimiser)
    adam, muon = optimiser.optimisers
    in_muon = {id(value) for group in muon.param_groups for value in group["params"]}
    assert in_muon == {id(block[0].weight) for block in model.blocks}
    in_adam = {id(value) for group in adam.param_groups for value in group["params"]}
    assert in_adam == {id(value) for value in model.parameters()} - in_muon


def test_a_step_of_muon_moves_along_the_orthogonal_part_of_the_gradient():
    model = MatrixModel()
    optimiser = build_optimiser(model, toy_recipe(matrix_optimiser="muon", learning_rate=0.01))
    weight = model.blocks[0][0].weight
    before = weight.detach().clone()
    model(torch.randn(5, 16, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    gradient = copy.deepcopy(weight.grad)
    set_rate(optimiser, 0.5)
    optimiser.step()
    moved = (before - weight.detach()) / (0.5 * 0.01 * 0.2 * 6**0.5)
    left, values, right = torch.linalg.svd(gradient.double())
    # Newton-Schulz leaves large singular values between 0.68 and 1.13, in the basis of the gradient.
    inside = left.T @ moved.double() @ right.T
    large = values > 0.02 * values[0]
    assert ((inside.diagonal()[large] > 0.6) & (inside.diagonal()[large] < 1.25)).all()
    assert (inside - inside.diagonal().diag()).abs().max() < 0.1
    optimiser.zero_grad()
    assert all(value.grad is None for value in model.parameters())


def test_a_run_with_muon_continues_exactly(tmp_path):
    settings = {"matrix_optimiser": "muon"}
    toy_run(tmp_path / "whole", ToyTask(MatrixModel()), **settings)
    for _ in range(3):
        toy_run(tmp_path / "legs", ToyTask(MatrixModel()), legs={"max_steps": 4}, **settings)
    assert_same_run(tmp_path / "whole", tmp_path / "legs")


def test_choices_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="matrix_optimiser is adamw or muon, got matrix_optimiser='sgd'"):
        toy_recipe(matrix_optimiser="sgd")
    with pytest.raises(ConfigError, match="muon needs whole matrices, which fsdp cuts"):
        toy_recipe(matrix_optimiser="muon", strategy="fsdp")
