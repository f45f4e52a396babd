"""Which clips a step sees, and its random numbers."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_model.training.data import clip_indices, step_generator, to_float

SEEDS = st.integers(0, 2**31)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 9), SEEDS)
def test_an_epoch_sees_every_clip_once(size, batch_size, seed):
    seen = [index for step in range(-(-2 * size // batch_size)) for index in clip_indices(step, batch_size, size, seed)]
    assert sorted(seen[:size]) == list(range(size))
    assert sorted(seen[size : 2 * size]) == list(range(size))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [clip_indices(epoch, 100, 100, seed) for epoch in range(3) for seed in range(3)]
    assert len({tuple(order) for order in orders}) == 9
    assert sorted(orders[0]) != orders[0]


def test_orders_look_random():
    """Position and clip are uncorrelated, and each clip comes first as often as any other."""
    order = clip_indices(0, 4096, 4096, 1)
    assert abs(np.corrcoef(np.arange(4096), order)[0, 1]) < 4 / np.sqrt(4096)
    first = [clip_indices(0, 1, 8, seed)[0] for seed in range(1600)]
    counts = np.bincount(first, minlength=8)
    assert ((counts - 200) ** 2 / 200).sum() < 24.3  # chi-squared, 7 degrees of freedom, p = 0.001


def test_a_source_without_end_costs_nothing():
    assert all(0 <= index < 2**40 for index in clip_indices(10**9, 4, 2**40, 0))


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 10**6), max_size=3))
def test_random_numbers_belong_to_seed_and_key(seed, key):
    draws = [torch.rand(8, generator=step_generator(*numbers)) for numbers in ((seed, *key), (seed, *key))]
    assert torch.equal(*draws)
    for other in ((seed + 1, *key), (seed, *key, 1)):
        assert not torch.equal(draws[0], torch.rand(8, generator=step_generator(*other)))


def test_pixels_become_numbers_around_zero():
    assert torch.equal(to_float(torch.tensor([0, 255], dtype=torch.uint8)), torch.tensor([-1.0, 1.0]))
