"""The times that flow matching is trained at, against closed forms and the sampler's schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from reference_model.errors import ConfigError
from reference_model.sampling.schedule import FlowMatchingSchedule
from reference_model.training.data import step_generator
from reference_model.training.flow import FlowRecipe, draw_time, draw_times_and_noise

DRAWS = 2000


def times(**settings) -> np.ndarray:
    recipe = FlowRecipe(steps=1, batch_size=1, **settings)
    return torch.stack([draw_time(step_generator(7, draw), recipe) for draw in range(DRAWS)]).double().numpy()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.8, 0.5)])
def test_logits_of_times_are_normal(mean, std):
    drawn = times(logit_mean=mean, logit_std=std)
    assert 0 < drawn.min() < drawn.max() < 1
    logits = np.log(drawn / (1 - drawn))
    assert stats.kstest(logits, stats.norm(mean, std).cdf).pvalue > 0.01
    assert logits.mean() == pytest.approx(mean, abs=4 * std / DRAWS**0.5)
    # A positive mean: nearer to the data, which is at 1.
    assert abs(np.median(drawn) - 1 / (1 + np.exp(-mean))) < 0.03


def test_uniform_times_are_uniform():
    assert stats.kstest(times(time_sampling="uniform"), stats.uniform.cdf).pvalue > 0.01


@pytest.mark.parametrize("sampling", ["uniform", "logit-normal"])
@pytest.mark.parametrize("shift", [0.5, 1.0, 1.5, 13.0])
def test_the_shift_is_the_one_of_the_schedule(sampling, shift):
    plain, shifted = times(time_sampling=sampling), times(time_sampling=sampling, time_shift=shift)
    schedule = FlowMatchingSchedule(20_000, shift)
    even = np.linspace(0, 1, len(schedule.sigmas))
    assert shifted == pytest.approx(np.interp(plain, even, schedule.sigmas.numpy()), abs=1e-5)


def test_each_row_has_a_time_and_noise_of_its_own():
    recipe = FlowRecipe(steps=1, batch_size=1)
    data = torch.zeros(3, 2, 4, 8, 8)
    drawn, noise = draw_times_and_noise(data, [step_generator(0, row) for row in range(3)], recipe)
    alone, its_noise = draw_times_and_noise(data[:1], [step_generator(0, 2)], recipe)
    assert torch.equal(drawn[2:], alone)
    assert torch.equal(noise[2:], its_noise)
    assert len(set(drawn.tolist())) == 3
    assert stats.kstest(noise.flatten().numpy(), stats.norm.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_dropout": 1.1}, "text_dropout must be 0 to 1, got text_dropout=1.1"),
        ({"time_shift": 0.0}, "time_shift must be above 0"),
        ({"logit_std": 0.0}, "logit_std must be above 0"),
        ({"held_out": -1}, "held_out must not be negative"),
        ({"time_sampling": "cosine"}, "time_sampling is 'logit-normal' or 'uniform', got time_sampling='cosine'"),
    ],
)
def test_settings_that_no_run_can_have(settings, message):
    with pytest.raises(ConfigError, match=message):
        FlowRecipe(steps=1, batch_size=1, **settings)
