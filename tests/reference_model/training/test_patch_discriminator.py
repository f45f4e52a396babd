"""The opponent of the VAE: its loss by hand, and whom its gradients reach."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from reference_model.training.adversarial import PatchDiscriminator, PatchOpponent, hinge_loss
from reference_model.training.data import step_generator


def opponent(rate=0.01, r1=0.0):
    return PatchOpponent(PatchDiscriminator(2, step_generator(0)), rate, r1)


def clips(value, batch=2):
    return torch.full((batch, 3, 3, 16, 16), value) + 0.1 * torch.randn(
        batch, 3, 3, 16, 16, generator=step_generator(1)
    )


def test_hinge_loss_by_hand():
    """Real 0.5 and 2 miss the margin by 0.5 and 0; made -3 and 1 by 0 and 2."""
    assert hinge_loss(torch.tensor([0.5, 2.0]), torch.tensor([-3.0, 1.0])).item() == pytest.approx(0.25 + 1.0)


@pytest.mark.parametrize("frames", [1, 17])
def test_one_judgement_per_patch_and_frame(frames):
    judged = PatchDiscriminator(2, step_generator(0))(torch.zeros(2, 3, frames, 32, 16))
    assert judged.shape == (2, 1, frames, 4, 2)


def test_the_model_is_pulled_towards_better_judgements_and_the_discriminator_left_alone():
    against = opponent()
    made = clips(0.0).requires_grad_()
    objection = against.objection(clips(1.0), made)
    objection.backward()
    assert all(value.grad is None for value in against.discriminator.parameters())
    better = made.detach() - 0.1 * made.grad / made.grad.norm()
    assert against.objection(clips(1.0), better) < objection
    assert objection.item() == pytest.approx(-against.discriminator(made.transpose(1, 2)).mean().item())


def test_it_learns_to_tell_apart():
    against, real, made = opponent(), clips(0.5), clips(-0.5)
    losses = []
    for _ in range(60):
        against.objection(real, made)
        losses.append(against.learn(1.0)["discriminator_loss"].item())
    assert losses[-1] < 0.3 * losses[0]
    assert against.learn(1.0) == {}, "what it saw is gone"


def test_shares_of_a_batch_count_by_their_clips():
    """Gradients of three clips at once, and of one and two."""
    real, made = clips(0.5, 3), clips(-0.5, 3)
    together, apart = opponent(), opponent()
    together.objection(real, made)
    for share in (slice(0, 1), slice(1, 3)):
        apart.objection(real[share], made[share])
    assert together.learn(0.0)["discriminator_loss"].item() == pytest.approx(
        apart.learn(0.0)["discriminator_loss"].item(), rel=1e-5
    )
    moments = apart.state()
    for name, value in together.state().items():
        assert torch.allclose(moments[name], value, rtol=1e-4, atol=1e-7)


def test_the_penalty_is_the_squared_slope_at_real_clips():
    real, made = clips(0.5), clips(-0.5)
    losses = []
    for weight in (0.0, 3.0):
        against = opponent(r1=weight)
        against.objection(real, made)
        losses.append(against.learn(0.0)["discriminator_loss"].item())
    video = real.transpose(1, 2).requires_grad_()
    discriminator = opponent().discriminator
    (slope,) = torch.autograd.grad(discriminator(video).sum(), video)
    assert losses[1] - losses[0] == pytest.approx(1.5 * slope.square().sum().item() / len(real), rel=1e-4)


def test_a_state_comes_back():
    first, second = opponent(), opponent()
    for against in (first,):
        against.objection(clips(0.5), clips(-0.5))
        against.learn(1.0)
    second.load_state({name: value.clone() for name, value in first.state().items()})
    for against in (first, second):
        against.objection(clips(0.2), clips(-0.3))
        against.learn(0.5)
    assert first.state().keys() == second.state().keys()
    assert all(torch.equal(value, second.state()[name]) for name, value in first.state().items())


def test_the_loss_is_the_hinge_loss_of_its_judgements():
    against, real, made = opponent(), clips(0.5), clips(-0.5)
    against.objection(real, made)
    with torch.no_grad():
        judged, doubted = (against.discriminator(clip.transpose(1, 2)) for clip in (real, made))
    expected = F.relu(1 - judged).mean() + F.relu(1 + doubted).mean()
    assert against.learn(0.0)["discriminator_loss"].item() == pytest.approx(expected.item(), rel=1e-6)
