"""Step distillation: its times, its loss, and a student that reaches in one step what its teacher reaches in many."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from flow_toys import FieldModel
from torch import nn

from reference_model.config import SamplingConfig, TransformerConfig
from reference_model.errors import ConfigError
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.conditioning import TextConditioning
from reference_model.training.checkpoints import load_state
from reference_model.training.distill import DistillRecipe, DistillTask, TeacherPairs, emphasise_edges, sample_pairs
from reference_model.training.loop import train

RECIPE = DistillRecipe(steps=300, batch_size=64, learning_rate=1e-2, warmup_steps=10, ema_decay=0.95, held_out=32)
SAMPLING = SamplingConfig(
    num_steps=32, guidance_scale=1.0, time_shift=1.0, num_frames=1, height=32, width=32, positive_magic="",
    compat="precise", fps=8.0,
)  # fmt: skip
PROMPTS = ("wide", "tall")
PATTERNS = torch.tensor([[[1.0, 1.0], [-1.0, -1.0]], [[1.0, -1.0], [1.0, -1.0]]]).view(2, 1, 1, 2, 2)


class PromptNumbers:
    """Stands in for text encoders: the state of a prompt is its number."""

    def encode(self, prompts):
        states = torch.tensor([float(PROMPTS.index(prompt)) for prompt in prompts]).view(-1, 1, 1)
        return TextConditioning(llm=states, clip=None, mask=torch.ones(len(prompts), 1, dtype=torch.long))


class TwoPoints(nn.Module):
    """The exact field of data that is a prompt's pattern P or its opposite, by turns.

    At x = (1 - t) noise + t data the expected data is E = P tanh(t P.x / (1 - t)^2), the velocity (E - x) / (1 - t).
    In one step from any noise it leads to the mean of the two, 0.
    """

    cfg = TransformerConfig(num_attention_heads=1, attention_head_dim=8, in_channels=1, caption_channels=1)

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, hidden_states, timestep, encoder_hidden_states, **rest):
        pattern = PATTERNS[encoder_hidden_states[:, 0, 0].long()]
        left = (1 - timestep).view(-1, 1, 1, 1, 1)
        along = (pattern * hidden_states).sum(dim=(1, 2, 3, 4), keepdim=True)
        return self.scale * (pattern * torch.tanh((1 - left) * along / left**2) - hidden_states) / left


class Student(nn.Module):
    """The teacher's field plus a correction that is zero before training."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.texts = TwoPoints(), PromptNumbers()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.correction = nn.Sequential(nn.Linear(7, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 4))
        nn.init.zeros_(self.correction[-1].weight)
        nn.init.zeros_(self.correction[-1].bias)

    def forward(self, latents, times, prompts, fps=None):
        state = self.texts.encode(prompts).llm
        known = torch.cat([latents.flatten(1), times[:, None], 1 - times[:, None], state[:, 0]], dim=1)
        return self.teacher(latents, times, state) + self.correction(known).view_as(latents)


def teacher():
    return TextToVideoPipeline(TwoPoints(), None, PromptNumbers(), SAMPLING)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    return sample_pairs(teacher(), PROMPTS * 208, SAMPLING, folder, batch_size=416, progress=False)


def one_step(model, pairs, numbers):
    with torch.no_grad():
        noise = pairs.noise[numbers]
        return noise + model(noise, torch.zeros(len(noise)), [pairs.prompts[number] for number in numbers])


def test_the_student_takes_one_step_to_where_the_teacher_takes_many(pairs, tmp_path):
    assert pairs.latents.abs().sub(1).abs().max() < 1e-3
    held_out = list(range(len(pairs) - 32, len(pairs)))
    student = Student()
    task = DistillTask(student, RECIPE, pairs)  # type: ignore[arg-type]
    start = task.evaluate(tmp_path, 0)["loss"]
    # Before: in one step the teacher, and so the student, reaches neither of the two.
    assert one_step(student, pairs, held_out).abs().max() < 1e-5

    train(task, RECIPE, tmp_path, progress=False)
    made = one_step(student, pairs, held_out)
    error = (made - pairs.latents[held_out]).square().mean()
    assert error < 0.2
    assert (made.sign() == pairs.latents[held_out].sign()).float().mean() > 0.95
    assert task.evaluate(tmp_path, 300)["loss"] < 0.3 * start


def test_an_interrupted_run_equals_an_uninterrupted_one(pairs, tmp_path):
    recipe = replace(RECIPE, steps=5, sample_every=2)
    for folder, legs in (("whole", [5]), ("parts", [2, 1, 2])):
        for steps in legs:
            train(DistillTask(Student(), recipe, pairs), recipe, tmp_path / folder, max_steps=steps, progress=False)  # type: ignore[arg-type]
    whole, parts = (load_state(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    assert whole.step == parts.step == 5
    for part, tensors in whole.tensors.items():
        assert all(torch.equal(value, parts.tensors[part][name]) for name, value in tensors.items()), part


def toy_pairs(count: int) -> TeacherPairs:
    """Data of pair n is n everywhere, its noise minus n."""
    numbers = torch.arange(float(count)).view(-1, 1, 1, 1, 1).expand(count, 1, 1, 2, 2)
    return TeacherPairs(prompts=[str(number) for number in range(count)], latents=numbers, noise=-numbers, fps=8.0)


def toy_task(field=lambda noisy, *_: torch.zeros_like(noisy), **settings):
    recipe = DistillRecipe(**{"steps": 9, "batch_size": 5, "held_out": 3, **settings})
    return DistillTask(FieldModel(field), recipe, toy_pairs(13))  # type: ignore[arg-type]


def test_the_target_is_the_straight_line_of_each_pair():
    seen = []

    def field(noisy, times, prompts, fps):
        seen.append((noisy, times, prompts, fps))
        return torch.ones_like(noisy)

    task = toy_task(field)
    numbers = task.batch(0, range(5))
    loss, figures = task.loss(task.model, numbers, 0, range(5))
    noisy, times, prompts, fps = seen[0]
    assert prompts == [str(number) for number in numbers]
    assert fps.tolist() == [8.0] * 5
    for row, number in enumerate(numbers):
        # From -n to n.
        assert torch.allclose(noisy[row], (2 * times[row] - 1) * number)
    assert loss.item() == pytest.approx(np.mean([(2 * number - 1) ** 2 for number in numbers]), rel=1e-5)
    assert figures == {}
    parts = [
        task.loss(task.model, [numbers[row] for row in part], 0, part)[0] * len(part) for part in ([0], [1, 2, 3, 4])
    ]
    assert torch.allclose(loss, sum(parts) / 5)


def test_held_out_pairs_are_never_learned_from(tmp_path):
    task = toy_task()
    seen = Counter(number for step in range(6) for number in task.batch(step, range(5)))
    assert seen == dict.fromkeys(range(10), 3)
    assert task.batch(1, [3, 1]) == [task.batch(1, range(5))[3], task.batch(1, range(5))[1]]
    # (2 n)^2 for the last three.
    assert task.evaluate(tmp_path, 0) == {"loss": pytest.approx(4 * (100 + 121 + 144) / 3)}
    assert toy_task(held_out=0).evaluate(tmp_path, 0) == {}


def test_held_out_times_are_spread_evenly_and_the_judge_is_asked(tmp_path):
    seen = []
    task = toy_task(lambda noisy, times, *_: seen.extend(times.tolist()) or torch.zeros_like(noisy), edge_emphasis=0.0)
    task.judge = lambda folder, step: {"judged": float(step)}
    assert task.evaluate(tmp_path, 4)["judged"] == 4.0
    assert seen == pytest.approx([1 / 6, 3 / 6, 5 / 6])


@pytest.mark.parametrize("strength", [0.1, 4.0, 12.0])
def test_times_have_the_density_that_is_said(strength):
    grid = np.linspace(0, 1, 20_001)
    density = np.cosh(strength * (grid - 0.5))
    reached = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    share = reached / reached[-1]
    times = emphasise_edges(torch.from_numpy(share), strength)
    assert times.numpy() == pytest.approx(grid, abs=1e-6)
    # Symmetric, and more of them near the ends.
    uniform = torch.linspace(0, 1, 1001)
    times = emphasise_edges(uniform, strength)
    assert torch.allclose(times + times.flip(0), torch.ones(1001), atol=1e-5)
    assert ((times - 0.5).abs() > 0.25).float().mean() > 0.5


def test_no_emphasis_is_uniform():
    uniform = torch.linspace(0, 1, 11)
    assert torch.equal(emphasise_edges(uniform, 0.0), uniform)
    assert torch.allclose(emphasise_edges(uniform, 1e-3), uniform, atol=1e-4)


@pytest.mark.parametrize("strength", [-1.0, 101.0])
def test_emphasis_has_limits(strength):
    with pytest.raises(ConfigError, match="edge_emphasis must be 0 to 100"):
        toy_task(edge_emphasis=strength)
    ends = emphasise_edges(torch.tensor([0.0, 0.5, 1.0]), 100.0)
    assert torch.allclose(ends, torch.tensor([0.0, 0.5, 1.0]), atol=1e-5)


def test_some_pairs_must_be_left_to_learn_from():
    with pytest.raises(ConfigError, match="held_out must be below the number of pairs, got 13 of 13"):
        toy_task(held_out=13)
    with pytest.raises(ConfigError, match="held_out must not be negative"):
        toy_task(held_out=-1)
