"""Flow matching from end to end, at a size of seconds: first weights, learning to obey, and going on exactly."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch
from flow_toys import prompted, small_text_encoder, small_transformer, store_of

from reference_model.config import SamplingConfig
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.training.checkpoints import load_state
from reference_model.training.flow import FlowRecipe, FlowTask, initialise_transformer
from reference_model.training.loop import train

PROMPTS = ("a red circle", "一个大的蓝色正方形")
PATTERN = 2 * torch.tensor([[[[1.0, -1.0], [1.0, -1.0]], [[-1.0, -1.0], [1.0, 1.0]]]])
RECIPE = FlowRecipe(
    steps=180,
    batch_size=32,
    learning_rate=3e-3,
    warmup_steps=10,
    ema_decay=0.9,
    time_shift=4.0,
    train_text=True,
    log_every=1,
    save_every=1000,
    sample_every=1000,
)
SAMPLING = SamplingConfig(
    num_steps=8, guidance_scale=3.0, time_shift=4.0, num_frames=1, height=32, width=32, compat="precise"
).changed(positive_magic="", negative_magic="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flow") / "tokenizers"


def patterns(count: int, seed: int):
    """Clips of the first prompt show a pattern, those of the second its opposite."""
    noise = 0.1 * torch.randn(count, *PATTERN.shape, generator=torch.Generator().manual_seed(seed))
    signs = torch.tensor([1.0, -1.0]).repeat(count // 2)
    return store_of(
        *(signs.view(-1, 1, 1, 1, 1) * PATTERN + noise), captions=[[PROMPTS[number % 2]] for number in range(count)]
    )


def make_task(folder, recipe):
    model = prompted(small_text_encoder(folder), train_text=recipe.train_text, num_layers=1, num_attention_heads=4)
    return FlowTask(model, recipe, patterns(32, seed=1), patterns(8, seed=2))


def test_it_learns_to_obey(folder, tmp_path):
    task = make_task(folder, RECIPE)
    assert train(task, RECIPE, tmp_path, progress=False) == 180
    with (tmp_path / "log.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    # Before the first step the velocity is zero, and the loss that of data (4) and noise (1).
    assert float(rows[0]["loss"]) == pytest.approx(5, abs=0.5)
    assert float(rows[-1]["test_loss"]) < 2.5

    pipeline = TextToVideoPipeline(task.model.transformer, None, task.model.text_encoder, SAMPLING)  # type: ignore
    noise = torch.randn(12, *PATTERN.shape, generator=torch.Generator().manual_seed(5))
    right = 0
    for sign, prompt in zip((1, -1), PROMPTS, strict=True):
        made = pipeline.denoise(noise, *pipeline.encode_prompts([prompt] * 12, SAMPLING), SAMPLING)
        distances = [(made - other * PATTERN).square().flatten(1).sum(dim=1) for other in (sign, -sign)]
        right += int((distances[0] < distances[1]).sum())
    assert right >= 22


@pytest.mark.parametrize("train_text", [True, False], ids=["text trained", "text frozen"])
def test_an_interrupted_run_equals_an_uninterrupted_one(folder, tmp_path, train_text):
    recipe = replace(RECIPE, steps=5, batch_size=4, train_text=train_text, sample_every=2, precision="bfloat16")
    train(make_task(folder, recipe), recipe, tmp_path / "whole", progress=False)
    for done in (2, 3, 5):
        steps = 1 if done == 3 else 2
        assert train(make_task(folder, recipe), recipe, tmp_path / "parts", max_steps=steps, progress=False) == done
    whole, parts = (load_state(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    names = set(whole.tensors["model"])
    assert any(name.startswith("text_encoder.") for name in names) == train_text
    for part, tensors in whole.tensors.items():
        assert all(torch.equal(value, parts.tensors[part][name]) for name, value in tensors.items()), part


def test_first_weights_say_nothing_and_let_everything_through():
    transformer = small_transformer(use_additional_conditions=True)
    latents = torch.randn(2, 1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    text = {"encoder_hidden_states": torch.ones(2, 3, 32), "encoder_hidden_states_2": torch.ones(2, 2, 16)}
    assert torch.equal(transformer(latents, torch.tensor([0.1, 0.9]), **text), torch.zeros_like(latents))
    for block in transformer.transformer_blocks:
        shift1, scale1, gate1, shift2, scale2, gate2 = block.scale_shift_table
        assert torch.stack([gate1, gate2]).eq(1).all()
        assert torch.stack([shift1, scale1, shift2, scale2]).eq(0).all()
    modulation, _ = transformer.adaln_single(torch.rand(3), (1, 4, 4), torch.tensor([8.0] * 3), torch.float32)
    assert modulation.eq(0).all()
    weight = transformer.transformer_blocks[0].ff.net[0].proj.weight.detach()
    limit = (6 / sum(weight.shape)) ** 0.5
    assert 0.9 * limit < weight.abs().max() < limit
    assert weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.1)


def test_first_weights_come_from_the_generator_alone():
    first, second = small_transformer(), small_transformer()
    with torch.no_grad():
        for value in second.parameters():
            value.fill_(3.0)
    initialise_transformer(second, torch.Generator().manual_seed(0))
    state = first.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in second.state_dict().items())
    initialise_transformer(second, torch.Generator().manual_seed(1))
    assert not torch.equal(second.pos_embed.proj.weight, first.pos_embed.proj.weight)
