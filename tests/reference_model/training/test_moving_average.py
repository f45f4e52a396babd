"""The average of weights against its closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from reference_model.training.ema import MovingAverage


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_average_of_a_known_path(decay):
    """avg_n = sum over k of (1 - d_k) w_k times the decays after k, with the start as w_0 of weight 1."""
    model = nn.Linear(1, 1, bias=False)
    path = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0]
    decays = [min(decay, (count + 1) / (count + 10)) for count in range(5)]
    with torch.no_grad():
        model.weight.fill_(path[0])
        average = MovingAverage(model, decay)
        for count, value in enumerate(path[1:]):
            model.weight.fill_(value)
            average.update(model, count)
    shares = [1.0, *(1 - one for one in decays)]
    expected = sum(path[k] * shares[k] * math.prod(decays[k:]) for k in range(6))
    assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_the_first_weights_do_not_linger():
    """With constant weights w from the first update on, the start's share after n updates is the product of decays."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    average = MovingAverage(model, 0.9999)
    nn.init.zeros_(model.weight)
    for count in range(100):
        average.update(model, count)
    assert average.weights["weight"].item() < 1e-9
