"""The Video-DPO loss equals numbers worked out by hand, and its symmetries hold."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_model.training.dpo_loss import PairErrors, dpo_loss, implicit_margin, squared_error

OBJECTIVES = ["sigmoid", "ipo", "hinge"]
numbers = st.floats(0, 4, width=32)
hypothesis_settings = settings(max_examples=40, deadline=None)


def errors(winner, loser, reference_winner, reference_loser, **options) -> PairErrors:
    as_tensor = [torch.tensor([value], dtype=torch.float64) for value in (winner, loser)]
    reference = [torch.tensor([value], dtype=torch.float64) for value in (reference_winner, reference_loser)]
    for value in as_tensor:
        value.requires_grad_(options.get("grad", False))
    return PairErrors(
        winner=as_tensor[0], loser=as_tensor[1], reference_winner=reference[0], reference_loser=reference[1]
    )


# The winner gained 1.2 - 1.0 = 0.2, the loser 2.9 - 3.0 = -0.1: advantage 0.3. With beta 4 and half, b = 2 and the
# margin is 0.6.
HAND_MADE = errors(1.0, 3.0, 1.2, 2.9)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("sigmoid", math.log(1 + math.exp(-0.6))),
        ("ipo", 0.05**2),  # (0.3 - 1 / (2 * 2))^2
        ("hinge", 0.4),  # 1 - 0.6
    ],
)
def test_hand_made_pair(objective, expected):
    assert implicit_margin(HAND_MADE, beta=4.0, half=True).item() == pytest.approx(0.6)
    assert dpo_loss(HAND_MADE, beta=4.0, half=True, objective=objective).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("sigmoid", 0.75 * math.log(1 + math.exp(-0.6)) + 0.25 * math.log(1 + math.exp(0.6))),
        ("ipo", 0.75 * 0.05**2 + 0.25 * 0.55**2),
        ("hinge", 0.75 * 0.4 + 0.25 * 1.6),
    ],
)
def test_hand_made_pair_with_smoothed_label(objective, expected):
    loss = dpo_loss(HAND_MADE, beta=4.0, half=True, objective=objective, label_smoothing=0.25)
    assert loss.item() == pytest.approx(expected)


def test_the_hinge_is_flat_beyond_its_margin():
    assert dpo_loss(HAND_MADE, beta=8.0, half=True, objective="hinge").item() == 0  # margin 1.2


def test_ipo_is_least_at_its_target_and_not_beyond():
    # Advantage 1 / (2 b) = 0.25 for b = 2.
    at, above, below = (
        dpo_loss(errors(1.0, 1.0, 1.0 + advantage, 1.0), beta=2.0, half=False, objective="ipo").item()
        for advantage in (0.25, 0.35, 0.15)
    )
    assert at == pytest.approx(0)
    assert above == pytest.approx(below)
    assert above == pytest.approx(0.01)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("objective", "expected"), [("sigmoid", math.log(2)), ("ipo", 1 / 16), ("hinge", 1.0)])
def test_at_the_reference(objective, expected, smoothing):
    loss = dpo_loss(errors(0.7, 2.0, 0.7, 2.0), beta=4.0, half=True, objective=objective, label_smoothing=smoothing)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradient_descent_lowers_the_winners_error_and_raises_the_losers(objective):
    pair = errors(1.0, 3.0, 1.0, 3.0, grad=True)
    dpo_loss(pair, beta=4.0, half=True, objective=objective).sum().backward()
    assert pair.winner.grad.item() > 0
    assert pair.loser.grad.item() == pytest.approx(-pair.winner.grad.item())


def test_gradient_of_the_sigmoid_loss():
    pair = errors(1.0, 3.0, 1.2, 2.9, grad=True)
    dpo_loss(pair, beta=4.0, half=True).sum().backward()
    assert pair.winner.grad.item() == pytest.approx(2 / (1 + math.exp(0.6)))  # b sigmoid(-margin)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_published_conventions_of_beta_agree(objective):
    pair = errors(0.1000, 0.1200, 0.1002, 0.1199)
    with_half = dpo_loss(pair, beta=5000.0, half=True, objective=objective)
    without = dpo_loss(pair, beta=2500.0, half=False, objective=objective)
    torch.testing.assert_close(with_half, without, rtol=0, atol=0)
    assert not torch.allclose(with_half, dpo_loss(pair, beta=5000.0, half=False, objective=objective))


@hypothesis_settings
@given(
    values=st.tuples(numbers, numbers, numbers, numbers),
    smoothing=st.floats(0, 1),
    objective=st.sampled_from(OBJECTIVES),
)
def test_a_swapped_pair_with_the_opposite_smoothing_is_the_same_pair(values, smoothing, objective):
    winner, loser, reference_winner, reference_loser = values
    options = {"beta": 3.0, "half": False, "objective": objective}
    one = dpo_loss(errors(winner, loser, reference_winner, reference_loser), label_smoothing=smoothing, **options)
    other = dpo_loss(errors(loser, winner, reference_loser, reference_winner), label_smoothing=1 - smoothing, **options)
    torch.testing.assert_close(one, other)


@hypothesis_settings
@given(values=st.tuples(numbers, numbers, numbers, numbers), shift=numbers, objective=st.sampled_from(OBJECTIVES))
def test_what_model_and_reference_have_in_common_does_not_matter(values, shift, objective):
    winner, loser, reference_winner, reference_loser = values
    options = {"beta": 3.0, "half": False, "objective": objective}
    one = dpo_loss(errors(winner, loser, reference_winner, reference_loser), **options)
    other = dpo_loss(errors(winner + shift, loser, reference_winner + shift, reference_loser), **options)
    torch.testing.assert_close(one, other)


def test_every_pair_has_its_own_smoothing():
    both = PairErrors(
        winner=torch.tensor([1.0, 1.0]),
        loser=torch.tensor([3.0, 3.0]),
        reference_winner=torch.tensor([1.2, 1.2]),
        reference_loser=torch.tensor([2.9, 2.9]),
    )
    losses = dpo_loss(both, beta=4.0, half=True, label_smoothing=torch.tensor([0.0, 0.25]))
    expected = [dpo_loss(HAND_MADE, beta=4.0, half=True, label_smoothing=share).item() for share in (0.0, 0.25)]
    assert losses.tolist() == pytest.approx(expected)


def test_squared_error_by_hand():
    velocity = torch.tensor([1.0, 2.0, 3.0, 5.0]).view(2, 1, 2, 1, 1)
    target = torch.tensor([1.0, 0.0, 0.0, 1.0]).view(2, 1, 2, 1, 1)
    assert squared_error(velocity, target, "mean").tolist() == [2.0, 12.5]
    assert squared_error(velocity, target, "sum").tolist() == [4.0, 25.0]


def test_squared_error_is_taken_in_float32():
    velocity = torch.full((1, 1, 1, 16, 16), 1.0078125, dtype=torch.bfloat16)
    assert squared_error(velocity, torch.zeros_like(velocity), "sum").item() == pytest.approx(256 * 1.0078125**2)


def test_a_sum_needs_a_beta_smaller_by_the_number_of_latents():
    generator = torch.Generator().manual_seed(0)
    velocity, target = (torch.randn(4, 3, 2, 2, 2, generator=generator) for _ in range(2))
    losses = {}
    for reduction, beta in (("mean", 4.8), ("sum", 0.2)):  # 24 latents
        winner, loser, reference_winner, reference_loser = squared_error(velocity, target, reduction).split(1)
        pair = PairErrors(
            winner=winner, loser=loser, reference_winner=reference_winner, reference_loser=reference_loser
        )
        losses[reduction] = dpo_loss(pair, beta=beta, half=True).item()
    assert losses["mean"] == pytest.approx(losses["sum"])
