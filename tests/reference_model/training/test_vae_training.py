"""The Video-VAE's loss and its parts, the linear start, decoder-only training, and the opponent."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as divergence_of
from training_models import VAE, WavesClips, vae_task
from training_toys import assert_same_run, final_state, log_rows

from reference_model.errors import ConfigError
from reference_model.training.data import clip_indices, step_generator, to_float
from reference_model.training.least_squares import principal_directions
from reference_model.training.loop import train
from reference_model.training.vae import (
    VAERecipe,
    VAETask,
    interleave,
    kl_divergence,
    moving_pixels,
    psnr,
    to_uint8,
)
from reference_model.vae.model import VideoVAE
from reference_model.vae.posterior import DiagonalGaussian


def recipe(**changes):
    base = {"steps": 4, "batch_size": 2, "learning_rate": 1e-3, "warmup_steps": 1, "start_clips": 4, "held_out": 2}
    return VAERecipe(**{**base, "log_every": 1, "save_every": 2, "sample_every": 4, **changes})


def test_divergence_equals_that_of_torch(draw):
    posterior = DiagonalGaussian(draw(2, 3, 2, 4, 4), draw(2, 3, 2, 4, 4, seed=1))
    expected = divergence_of(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0)).sum(dim=(1, 2, 3, 4))
    assert torch.allclose(kl_divergence(posterior), expected, rtol=1e-5)


def test_moving_pixels_by_hand():
    clip = torch.zeros(1, 3, 3, 2, 2)
    clip[0, 1, 2, 0, 1] = 0.11  # one colour, one moment
    clip[0, 2, 0, 1, 0] = -0.09  # too little
    assert moving_pixels(clip).squeeze().tolist() == [[False, True], [False, False]]
    assert not moving_pixels(clip[:, :1]).any()


def test_psnr_by_hand():
    """An error of 0.2 everywhere is a tenth of the range: 20 dB."""
    assert psnr(torch.tensor(0.2**2)).item() == pytest.approx(20.0, rel=1e-6)


def test_pixels_are_rounded_and_clipped():
    values = torch.tensor([-2.0, -1.0, 0.0, 1 / 127.5, 1.0, 3.0])
    assert to_uint8(values).tolist() == [0, 0, 128, 128, 255, 255]
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(every)), every)


def test_rows_alternate():
    assert interleave(torch.tensor([1, 3]), torch.tensor([2, 4])).tolist() == [1, 2, 3, 4]


def test_loss_by_hand():
    task = vae_task(recipe(kl_weight=0.01, moving_weight=3.0))
    batch = task.batch(1, [0, 1])
    loss, figures = task.loss(task.model, batch, 1, [0, 1])
    with torch.no_grad():
        posterior = task.model.encode(batch)
        noise = torch.stack([torch.randn(3, 2, 1, 1, generator=step_generator(0, 1, sample)) for sample in (0, 1)])
        error = (task.model.decode(posterior.mean + posterior.std * noise) - batch) ** 2
    moving = batch.amax(dim=1).sub(batch.amin(dim=1)).amax(dim=1)[:, None, None] > 0.1
    expected = (error * torch.where(moving, 4.0, 1.0)).mean() + 0.01 * kl_divergence(posterior).mean()
    assert moving.any()
    assert not moving.all()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert figures["psnr"].item() == pytest.approx(10 * np.log10(4 / error.mean().item()), rel=1e-5)


def test_a_sample_is_the_same_in_every_share_of_the_batch():
    task = vae_task(recipe(batch_size=4))
    whole, part = task.batch(3, range(4)), task.batch(3, [2])
    assert torch.equal(whole[2:3], part)
    assert torch.equal(whole, task.batch(3, range(4)))
    indices = clip_indices(3, 4, 64, 0)
    assert torch.equal(part[0], to_float(WavesClips()[indices[2]].frames))
    together = task.loss(task.model, whole, 3, range(4))[0]
    alone = [task.loss(task.model, task.batch(3, [sample]), 3, [sample])[0] for sample in range(4)]
    assert together.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-5)


def test_image_batches_come_first_and_then_among_the_clips():
    task = vae_task(recipe(image_steps=5, image_share=0.3))
    lengths = [task.batch(step, [0]).shape[1] for step in range(305)]
    assert set(lengths) == {1, 17}
    assert lengths[:5] == [1] * 5
    assert lengths[5:].count(1) == pytest.approx(90, abs=4 * np.sqrt(300 * 0.3 * 0.7))


def test_images_are_frames_of_the_clips_at_all_times():
    task = vae_task(recipe(image_steps=60))
    clips = [to_float(WavesClips()[index].frames) for index in range(64)]
    times = []
    for step in range(60):
        image = task.batch(step, [1])[0, 0]
        own = clips[clip_indices(step, 2, 64, 0)[1]]
        (time,) = [time for time in range(17) if torch.equal(own[time], image)] or [None]
        times.append(time)
    assert len(set(times)) > 12


def test_a_vae_learns_and_can_be_continued(tmp_path):
    settings = recipe(steps=12, image_steps=2, image_share=0.2, sample_every=6, moving_weight=1.0)
    for name, leg in (("whole", None), ("legs", 5), ("legs", None)):
        task = vae_task(settings, judge=lambda index, frames: {"first": float(index == 0), f"own{index}": 1.0})
        task.initialise()
        train(task, settings, tmp_path / name, max_steps=leg, progress=False)
    assert_same_run(tmp_path / "whole", tmp_path / "legs")
    rows = log_rows(tmp_path / "whole")
    assert float(rows[-1]["test_first"]) == 0.5
    assert float(rows[-1]["test_own1"]) == 1.0
    assert (tmp_path / "whole" / "previews" / "reconstructions-00000012.png").is_file()


def test_a_random_start_depends_on_the_seed_alone():
    def started(seed, model_seed):
        torch.manual_seed(model_seed)
        task = VAETask(VideoVAE(VAE), recipe(start_clips=0, seed=seed), WavesClips(), WavesClips())
        with torch.no_grad():
            task.model.decoder.norm_out.weight.fill_(model_seed)  # as after some training
        task.initialise()
        return task.model.state_dict()

    first, same, other = started(0, 5), started(0, 6), started(1, 5)
    assert all(torch.equal(value, same[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())


def test_the_linear_start_is_close_to_a_linear_code():
    """A network this narrow loses some of it; both are measured by what they explain beyond the mean."""
    clips = to_float(torch.stack([WavesClips(side=32)[index].frames for index in range(8)]))
    config = replace(VAE, enc_ch=4, dec_ch=4, z_channels=4)
    task = VAETask(VideoVAE(config), recipe(start_clips=8), WavesClips(8, side=32), WavesClips(side=32))
    task.initialise()
    with torch.no_grad():
        posterior = task.model.encode(clips)
        error = (task.model.decode(posterior.mean) - clips).square().mean()
    # The linear code of the same size: 4 numbers for each 8 x 16 x 16 pixels of the later frames.
    cells = clips[:, 1:].unflatten(4, (-1, 16)).unflatten(3, (-1, 16)).unflatten(1, (-1, 8))
    cells = cells.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(0, 3).flatten(1)
    directions, mean, _ = principal_directions(cells, 4)
    linear = ((cells - mean) @ directions @ directions.T + mean - cells).square().mean()
    assert clips.var() - error > 0.5 * (clips.var() - linear)
    assert posterior.mean.std() == pytest.approx(1.0, abs=0.1)


def test_widths_that_do_not_fit_are_refused():
    vae = VideoVAE(replace(VAE, enc_ch=8, dec_ch=8))
    task = VAETask(vae, recipe(start_clips=2), WavesClips(8), WavesClips(8))
    with pytest.raises(ConfigError, match=r"patch width that is a multiple of 256, got 64[\s\S]*start_clips=0"):
        task.initialise()


def test_a_start_is_the_same_whatever_was_there_before():
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        task = VAETask(VideoVAE(VAE), recipe(start_clips=4), WavesClips(), WavesClips())
        task.initialise()
        states.append(task.model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_decoder_is_trained_on_a_frozen_encoder(tmp_path):
    settings = recipe(trained="decoder", weight_decay=0.1)
    task = vae_task(settings)
    before = copy.deepcopy(task.model.state_dict())
    batch = task.batch(0, [0, 1])
    loss, figures = task.loss(task.model, batch, 0, [0, 1])
    weighted = vae_task(recipe(trained="decoder", kl_weight=100.0)).loss(task.model, batch, 0, [0, 1])[0]
    assert weighted.item() == loss.item()
    assert not figures["kl"].requires_grad
    train(task, settings, tmp_path, progress=False)
    changed = {
        name.split(".")[0] for name, value in task.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"decoder"}
    assert {name.split()[1].split(".")[0] for name in final_state(tmp_path) if name != "step"} == {"decoder"}


def test_a_decoder_needs_a_trained_encoder():
    with pytest.raises(ConfigError, match=r"goes on from a trained VAE[\s\S]*load the weights"):
        vae_task(recipe(trained="decoder")).initialise()


def test_a_perceptual_distance_is_added():
    def distance(made, real):
        assert made.shape == real.shape == (34, 3, 16, 16)
        return (made - real).abs().mean(dim=(1, 2, 3))

    plain, perceiving = vae_task(recipe()), vae_task(recipe(perceptual_weight=0.5), perceptual=distance)
    batch = plain.batch(0, [0, 1])
    without, _ = plain.loss(plain.model, batch, 0, [0, 1])
    loss, figures = perceiving.loss(perceiving.model, batch, 0, [0, 1])
    with torch.no_grad():
        made = plain.model(batch, [step_generator(0, 0, sample) for sample in (0, 1)])[0]
    assert loss.item() == pytest.approx((without + 0.5 * (made - batch).abs().mean()).item(), rel=1e-5)
    assert figures["perceptual"].item() == pytest.approx((made - batch).abs().mean().item(), rel=1e-5)


def test_a_perceptual_weight_needs_a_distance():
    with pytest.raises(ConfigError, match=r"perceptual_weight is 0\.5, but there is no perceptual distance"):
        vae_task(recipe(perceptual_weight=0.5))


def test_an_opponent_comes_in_late_and_is_continued(tmp_path):
    settings = recipe(steps=5, adversarial_weight=0.1, adversarial_start=2, adversarial_r1=0.1, adversarial_width=2)
    for name, leg in (("whole", None), ("legs", 3), ("legs", None)):
        train(vae_task(settings), settings, tmp_path / name, max_steps=leg, progress=False)
    assert_same_run(tmp_path / "whole", tmp_path / "legs")
    rows = log_rows(tmp_path / "whole")
    assert [bool(row["objection"]) for row in rows] == [bool(row["discriminator_loss"]) for row in rows]
    assert [bool(row["objection"]) for row in rows] == [False, False, True, True, True]
    opponent = [name for name in final_state(tmp_path / "whole") if name.startswith("opponent ")]
    assert {name.split("/")[0] for name in opponent} == {"opponent weights", "opponent optimiser"}


def test_without_a_weight_there_is_no_opponent():
    assert vae_task(recipe()).opponent is None
