"""Latents get unit variance, reconstructions stay."""

from __future__ import annotations

import copy

import pytest
import torch

from reference_model.errors import ShapeError
from reference_model.training.latent_scale import fold_latent_scale

STD = torch.tensor([0.2, 5.0])


@pytest.mark.parametrize("frames", [1, 17, 34])
def test_folding_scales_latents_and_keeps_reconstructions(small_vae, draw, distance, frames):
    before = small_vae()
    after = copy.deepcopy(before)
    fold_latent_scale(after, STD)
    clips = draw(2, frames, 3, 32, 16)
    with torch.no_grad():
        old, new = before.encode(clips), after.encode(clips)
        torch.manual_seed(0)
        noise = torch.randn_like(old.mean)
        assert distance(new.mean, old.mean / STD[:, None, None]) < 1e-5
        assert distance(new.std, old.std / STD[:, None, None]) < 1e-5
        assert distance(after.decode(new.mean), before.decode(old.mean)) < 1e-5
        assert distance(after.decode(new.mean + new.std * noise), before.decode(old.mean + old.std * noise)) < 1e-5


def test_measured_spread_becomes_one(small_vae, draw):
    vae = small_vae()
    clips = draw(4, 17, 3, 32, 32)
    with torch.no_grad():
        fold_latent_scale(vae, vae.encode(clips).mean.std(dim=(0, 1, 3, 4)))
        assert torch.allclose(vae.encode(clips).mean.std(dim=(0, 1, 3, 4)), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("std", [torch.ones(3), torch.tensor([1.0, 0.0]), torch.tensor([1.0, torch.nan])])
def test_only_positive_numbers_one_per_channel(small_vae, std):
    with pytest.raises(ShapeError, match="std must be 2 positive numbers"):
        fold_latent_scale(small_vae(), std)
