"""What the teacher makes: the same as its pipeline, kept on disk, and only read by those it belongs to."""

from __future__ import annotations

import pytest
import torch

from reference_model.errors import CheckpointError, ConfigError
from reference_model.sampling.noise import seeded_noise
from reference_model.training.distill import sample_pairs

PROMPTS = ["a red ball", "一个红球", "a red ball", "box", "star"]


@pytest.fixture
def teacher(small_pipeline):
    return small_pipeline


@pytest.fixture
def denoised(teacher, monkeypatch):
    """Sizes of the batches that the teacher is asked for."""
    sizes = []
    denoise = teacher.denoise
    monkeypatch.setattr(teacher, "denoise", lambda noise, *rest: sizes.append(len(noise)) or denoise(noise, *rest))
    return sizes


def sample(teacher, folder, prompts=PROMPTS, sampling=None, seed=7):
    return sample_pairs(teacher, prompts, sampling or teacher.sampling, folder, batch_size=2, seed=seed, progress=False)


@pytest.mark.parametrize("compat", ["upstream", "precise"])
def test_pairs_are_the_clips_of_the_teacher_and_their_noise(teacher, tmp_path, compat):
    sampling = teacher.sampling.changed(compat=compat, fps=12.0)
    pairs = sample(teacher, tmp_path, sampling=sampling)
    assert pairs.prompts == PROMPTS
    assert pairs.fps == 12.0
    assert torch.equal(pairs.noise, seeded_noise(range(7, 12), (3, 2, 2, 1), compat))
    made = []
    teacher.vae = type(
        "Kept", (), {"decode_chunks": lambda self, latents: made.append(latents) or [torch.zeros(1, 17, 3, 32, 16)]}
    )()
    teacher(PROMPTS, seeds=[[7 + number] for number in range(5)], **{**sampling.to_dict()})
    assert torch.allclose(pairs.latents, torch.cat(made), atol=2e-3, rtol=2e-3)
    # The same prompt twice, two clips.
    assert not torch.allclose(pairs.latents[0], pairs.latents[2], atol=0.1)


def test_the_teacher_is_guided_and_gets_its_magic(teacher, tmp_path):
    sample(teacher, tmp_path)
    asked = teacher.text_encoder.asked
    assert asked[0] == ["a red ball+", "一个红球+", teacher.sampling.negative_magic]


def test_a_kill_between_batches_costs_the_batch_at_work(teacher, denoised, tmp_path):
    whole = sample(teacher, tmp_path / "whole")
    assert denoised == [2, 2, 1]
    sample(teacher, tmp_path / "parts")
    second = sorted((tmp_path / "parts").glob("*.safetensors"))[1]
    second.unlink()
    denoised.clear()
    parts = sample(teacher, tmp_path / "parts")
    assert denoised == [2]
    assert torch.equal(parts.latents, whole.latents)
    assert torch.equal(parts.noise, whole.noise)


def test_more_and_other_prompts_are_sampled_anew(teacher, denoised, tmp_path):
    sample(teacher, tmp_path, PROMPTS[:4])
    denoised.clear()
    longer = sample(teacher, tmp_path)
    assert denoised == [1]
    other = sample(teacher, tmp_path, ["box", *PROMPTS[1:]])
    assert denoised == [1, 2]
    assert torch.equal(other.latents[2:], longer.latents[2:])
    assert not torch.equal(other.latents[0], longer.latents[0])


def test_a_folder_belongs_to_one_teacher_and_its_settings(teacher, tmp_path):
    sample(teacher, tmp_path)
    with pytest.raises(CheckpointError, match="was made for something else: seed was 7, is 8"):
        sample(teacher, tmp_path, seed=8)
    with pytest.raises(CheckpointError, match=r"sampling was .* is "):
        sample(teacher, tmp_path, sampling=teacher.sampling.changed(num_steps=3))
    with torch.no_grad():
        teacher.transformer.proj_out.bias[0] += 1e-3
    with pytest.raises(CheckpointError, match=r"teacher was '.*', is '.*'\n  hint: remove the folder"):
        sample(teacher, tmp_path)


def test_without_prompts_there_is_nothing_to_sample(teacher, tmp_path):
    with pytest.raises(ConfigError, match="the teacher needs at least one prompt"):
        sample(teacher, tmp_path, [])
