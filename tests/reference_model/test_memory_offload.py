"""Offload: every stage finds its weights on the device, and nothing else is there."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from reference_model.memory import offload
from reference_model.memory.offload import OffloadedPipeline, resident


def test_weights_are_on_the_device_inside_and_home_afterwards(small_transformer):
    model = small_transformer()
    before = dict(model.named_parameters())
    with resident(model, "meta"):
        assert all(parameter.is_meta for parameter in model.parameters())
        assert dict(model.named_parameters()).keys() == before.keys()
    assert all(parameter is before[name] for name, parameter in model.named_parameters())


def test_weights_come_home_after_an_error(small_vae):
    model = small_vae()
    before = list(model.parameters())
    with pytest.raises(RuntimeError, match="out of memory"), resident(model, "meta"):
        raise RuntimeError("out of memory")
    assert all(left is right for left, right in zip(before, model.parameters(), strict=True))


def test_nothing_moves_where_it_is_already(small_vae):
    model = small_vae()
    before = list(model.parameters())
    with resident(model, "cpu"):
        assert all(left is right for left, right in zip(before, model.parameters(), strict=True))


def test_buffers_move_and_shared_weights_stay_shared():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), nn.Linear(2, 2))
    model[2].weight = model[1].weight
    with resident(model, "meta"):
        assert model[0].running_mean.is_meta
        assert model[1].weight is model[2].weight
        assert isinstance(model[1].weight, nn.Parameter)
    assert model[1].weight is model[2].weight
    assert not model[0].running_mean.is_meta


def test_parts_of_another_process_are_left_alone():
    with resident(object(), "meta"):
        pass


def test_clips_are_those_of_the_pipeline_and_stages_take_turns(small_pipeline, monkeypatch):
    events = []

    @contextmanager
    def recorded(module, device):
        events.append(("in", module))
        with resident(module, device):
            yield
        events.append(("out", module))

    expected = small_pipeline(["one", "two"], seeds=3)
    monkeypatch.setattr(offload, "resident", recorded)
    videos = OffloadedPipeline(small_pipeline, "cpu")(["one", "two"], seeds=3)
    assert all(torch.equal(left.frames, right.frames) for left, right in zip(expected, videos, strict=True))
    text, dit, vae = small_pipeline.text_encoder, small_pipeline.transformer, small_pipeline.vae
    turns = [text, dit, vae, dit, vae]
    assert events == [(step, module) for module in turns for step in ("in", "out")]


def test_denoising_computes_on_the_device(small_pipeline):
    pipeline = OffloadedPipeline(small_pipeline, "meta")
    settings = pipeline.sampling
    text = pipeline.encode_prompts(["one"], settings)
    latents = pipeline.denoise(torch.zeros(1, *pipeline.latent_shape(settings)), *text, settings)
    assert latents.is_meta
    assert latents.shape == (1, 3, 2, 2, 1)
    assert not any(parameter.is_meta for parameter in pipeline.transformer.parameters())
