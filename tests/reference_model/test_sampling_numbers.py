"""Schedule, guidance, sampler and denoising loop against golden numbers and closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_model.config import SamplingConfig, TransformerConfig
from reference_model.errors import ConfigError
from reference_model.sampling.guidance import guided, prompted_velocity
from reference_model.sampling.noise import seeded_noise
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.sampling.pixels import to_uint8
from reference_model.sampling.sampler import sample_latents
from reference_model.sampling.schedule import FlowMatchingSchedule
from reference_model.text.conditioning import TextConditioning
from reference_model.transformer.model import StepVideoTransformer


def test_times_equal_golden(golden):
    file = golden("scheduler")
    for steps, shift in file.info["pairs"]:
        key = f"n{steps}_shift{int(shift)}"
        schedule = FlowMatchingSchedule(steps, shift)
        torch.testing.assert_close(schedule.sigmas, file.outputs[f"sigmas_{key}"], rtol=1e-6, atol=0)
        torch.testing.assert_close(schedule.timesteps, file.outputs[f"timesteps_{key}"], rtol=1e-6, atol=0)
        backward = FlowMatchingSchedule(steps, shift, reverse=True)
        torch.testing.assert_close(backward.sigmas, file.outputs[f"sigmas_{key}_reverse"], rtol=1e-6, atol=0)


def test_trajectories_equal_golden(golden):
    file = golden("scheduler")
    schedule = FlowMatchingSchedule(file.info["trajectory"]["steps"], file.info["trajectory"]["shift"])
    sample = file.inputs["x0"]
    for index, velocity in enumerate(file.inputs["velocities"]):
        sample = schedule.step(velocity, index, sample)
        torch.testing.assert_close(sample, file.outputs["trajectory"][index + 1], rtol=1e-6, atol=1e-6)
    final = sample_latents(lambda x, t: (3 * x).cos() - 0.7 * x + 2 * t, file.inputs["x0"], schedule)
    torch.testing.assert_close(final, file.outputs["final_closed_form"], rtol=1e-6, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 60), shift=st.floats(0.2, 20))
def test_times_rise_from_noise_to_data(steps, shift):
    schedule = FlowMatchingSchedule(steps, shift)
    assert len(schedule) == steps == len(schedule.timesteps)
    assert schedule.sigmas[0].item() == pytest.approx(0, abs=1e-6)
    assert schedule.sigmas[-1].item() == 1
    assert (schedule.sigmas.diff() > 0).all()
    torch.testing.assert_close(1 - schedule.sigmas, FlowMatchingSchedule(steps, shift, reverse=True).sigmas)


def test_without_shift_steps_are_even():
    torch.testing.assert_close(FlowMatchingSchedule(4, 1.0).sigmas, torch.tensor([0, 0.25, 0.5, 0.75, 1]))


def test_a_straight_path_is_followed_exactly(draw):
    noise, data = draw(1, 2, 2, 2, 2), draw(1, 2, 2, 2, 2, seed=1)
    final = sample_latents(lambda _x, _t: data - noise, noise, FlowMatchingSchedule(7, 13.0))
    torch.testing.assert_close(final, data)


def test_the_state_is_float32_whatever_the_velocity_is(draw):
    schedule = FlowMatchingSchedule(2, 1.0)
    sample = schedule.step(draw(3).bfloat16(), 0, draw(3, seed=1).bfloat16())
    assert sample.dtype == torch.float32


@pytest.mark.parametrize("index", [-1, 2, 0.5])
def test_steps_outside_the_schedule_are_refused(index):
    with pytest.raises(ConfigError, match=f"must be 0 to 1, got {index}"):
        FlowMatchingSchedule(2, 1.0).step(torch.zeros(1), index, torch.zeros(1))


def test_impossible_schedules_are_refused():
    with pytest.raises(ConfigError, match="at least one step, got num_steps=0"):
        FlowMatchingSchedule(0, 1.0)
    with pytest.raises(ConfigError, match="whole number of steps, at least one step"):
        FlowMatchingSchedule(2.5, 1.0)
    for shift in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=f"time_shift must be above 0, got {shift}"):
            FlowMatchingSchedule(1, shift)


@pytest.mark.parametrize("batched", [True, False])
def test_denoising_equals_golden(golden, distance, batched):
    file = golden("pipeline")
    transformer = StepVideoTransformer(TransformerConfig(**file.info["config"]))
    transformer.load_state_dict(file.weights, strict=True)
    settings = SamplingConfig(
        num_steps=file.info["steps"], guidance_scale=file.info["guidance_scale"], time_shift=file.info["time_shift"]
    )
    both = TextConditioning(
        llm=file.inputs["encoder_hidden_states"],
        clip=file.inputs["encoder_hidden_states_2"],
        mask=file.inputs["encoder_attention_mask"],
    )
    pipeline = TextToVideoPipeline(transformer, None, None, settings)
    trajectory = []
    latents = pipeline.denoise(
        file.inputs["latents"],
        both.rows([0]),
        both.rows([1]),
        settings,
        batched_guidance=batched,
        callback=lambda _index, _time, latents: trajectory.append(latents),
    )
    assert distance(latents, file.outputs["latents"]) < 2e-5
    assert (latents - file.outputs["latents"]).abs().max() < 1e-4
    assert distance(torch.stack(trajectory), file.outputs["trajectory"]) < 2e-5


def test_guidance_by_hand():
    unconditional, conditional = torch.full((1, 1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1, 1), 3.0)
    assert guided(unconditional, conditional, 9.0).item() == 11.0  # 2 + 9 * (3 - 2)
    assert guided(unconditional, conditional, 1.0).item() == 3.0
    assert guided(unconditional, conditional, 0.0).item() == 2.0


def test_guidance_is_combined_in_the_models_dtype_only_upstream():
    # 256 and 258.5 are 256 and 258 in bfloat16; 256 + 1.25 * 2 = 258.5 rounds to 258 there and stays in float32.
    unconditional, conditional = (torch.full((1, 1, 1, 1, 1), value).bfloat16() for value in (256.0, 258.0))
    upstream = guided(unconditional, conditional, 1.25, "upstream")
    precise = guided(unconditional, conditional, 1.25, "precise")
    assert (upstream.dtype, upstream.item()) == (torch.bfloat16, 258.0)
    assert (precise.dtype, precise.item()) == (torch.float32, 258.5)


def test_noise_is_drawn_in_bfloat16_only_upstream():
    shape = (3, 2, 4, 4)
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(
        seeded_noise([5], shape)[0], torch.randn(shape, generator=generator, dtype=torch.bfloat16).float()
    )
    precise = seeded_noise([5], shape, "precise")
    assert torch.equal(precise[0], torch.randn(shape, generator=torch.Generator().manual_seed(5)))
    assert precise.dtype == seeded_noise([5], shape).dtype == torch.float32
    assert not torch.equal(precise, precise.bfloat16().float())


def test_noise_depends_on_the_seed_and_not_on_its_neighbours():
    shape = (3, 2, 4, 4)
    three = seeded_noise([7, 8, 7], shape)
    assert torch.equal(three[0], three[2])
    assert not torch.equal(three[0], three[1])
    assert torch.equal(three[1:2], seeded_noise([8], shape))


def test_times_reach_the_model_in_its_dtype_only_upstream(draw):
    seen = []

    class Recorder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))

        def forward(self, hidden_states, timestep, **_):
            seen.append((hidden_states.dtype, timestep))
            return hidden_states

    text = TextConditioning(llm=draw(1, 2, 3), clip=None, mask=torch.ones(1, 2))
    for compat in ("upstream", "precise"):
        prompted_velocity(Recorder(), text, None, 1.0, compat=compat)(draw(1, 1, 1, 1, 1), torch.tensor(0.3337))
    assert [(dtype, time.dtype) for dtype, time in seen] == [
        (torch.bfloat16, torch.bfloat16),
        (torch.bfloat16, torch.float32),
    ]


def test_pixels_are_clamped_and_truncated_upstream_and_rounded_otherwise():
    values = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 3.0])  # 0 -> 127.5, 0.999 -> 254.87
    assert to_uint8(values).tolist() == [0, 0, 127, 254, 255, 255]
    assert to_uint8(values, "precise").tolist() == [0, 0, 128, 255, 255, 255]
