"""Gradient checkpointing from outside: the same gradients, fewer activations kept."""

from __future__ import annotations

import copy

import pytest
import torch
from training_models import VAE, VelocityTask
from training_toys import ToyModel, ToyTask, final_state, toy_run

from reference_model.training.blocks import blocks_of, recomputed
from reference_model.transformer.block import TransformerBlock
from reference_model.vae.decoder import DecoderLevel
from reference_model.vae.encoder import EncoderLevel
from reference_model.vae.model import VideoVAE


def test_blocks_are_those_of_the_architecture():
    assert [type(block) for block in blocks_of(VelocityTask().model)] == [TransformerBlock] * 2
    assert [type(block) for block in blocks_of(VideoVAE(VAE))] == [EncoderLevel] * 4 + [DecoderLevel] * 4
    assert blocks_of(torch.nn.Linear(2, 2)) == []


def kept_bytes(model, loss):
    """Bytes that the graph of the loss keeps for the backward pass, besides weights."""
    weights = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept = {}

    def pack(value):
        if value.untyped_storage().data_ptr() not in weights:
            kept[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        loss()
    return sum(value.untyped_storage().nbytes() for value in kept.values())


def velocity_loss(model):
    task = VelocityTask()
    return task.loss(model, task.batch(0, [0, 1]), 0, [0, 1])[0]


def vae_loss(model):
    clips = torch.rand(1, 17, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    return model(clips, torch.Generator().manual_seed(1))[0].square().mean()


@pytest.mark.parametrize(
    ("build", "loss"), [(lambda: VelocityTask().model, velocity_loss), (lambda: VideoVAE(VAE), vae_loss)]
)
def test_gradients_are_the_same_and_less_is_kept(build, loss):
    torch.manual_seed(0)
    usual = build()
    saving = copy.deepcopy(usual)
    loss(usual).backward()
    with recomputed(saving):
        loss(saving).backward()
    for name, parameter in usual.named_parameters():
        if parameter.grad is not None:
            assert torch.equal(saving.get_parameter(name).grad, parameter.grad), name
    with recomputed(saving):
        least = kept_bytes(saving, lambda: loss(saving))
    assert least < 0.6 * kept_bytes(saving, lambda: loss(saving))


def test_dropout_is_the_same_the_second_time(tmp_path):
    for name in (True, False):
        toy_run(tmp_path / str(name), ToyTask(ToyModel(dropout=0.5)), gradient_checkpointing=name)
    saving, usual = final_state(tmp_path / "True"), final_state(tmp_path / "False")
    assert all(torch.allclose(saving[name], usual[name], atol=1e-7) for name in usual)


def test_nothing_is_left_behind():
    model = ToyModel()

    def work():
        with recomputed(model):
            assert "forward" in vars(model.blocks[0])
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert all("forward" not in vars(module) for module in model.modules())
