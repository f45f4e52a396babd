"""Texts while training: all at once, one by one and from the cache they are the same."""

from __future__ import annotations

import pytest
import torch
from flow_toys import TEXTS, prompted, scrambled, small_text_encoder

from reference_model.training.text_states import CachedTexts, encode_batch

PROMPTS = [*TEXTS, "", "a red circle", "zebra 🦓 𠀀"]
CLIP_WORDS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "tokenizers"
    small_text_encoder(path)
    return path


@pytest.fixture
def encoder(folder):
    return small_text_encoder(folder)


def assert_same_text(batch, rows):
    """Equal to the encoder's own rows wherever a word is valid, and padded no further than the longest prompt."""
    longest = int(rows.mask[:, CLIP_WORDS:].sum(dim=1).max())
    assert batch.llm.shape[1] == longest
    assert torch.equal(batch.mask, rows.mask[:, : CLIP_WORDS + longest])
    assert torch.allclose(batch.clip, rows.clip, atol=1e-5)
    valid = batch.mask[:, CLIP_WORDS:].bool()
    assert torch.allclose(batch.llm[valid], rows.llm[:, :longest][valid], atol=1e-5)


@torch.no_grad()
def test_a_batch_equals_prompts_by_themselves(encoder):
    assert_same_text(encode_batch(encoder, PROMPTS), encoder.encode(PROMPTS))
    assert encode_batch(encoder, [""]).llm.shape[1] == 2


@torch.no_grad()
def test_cached_states_equal_fresh_ones(encoder):
    cached = CachedTexts(encoder)
    for prompts in (PROMPTS[:3], PROMPTS, PROMPTS[::-1], [PROMPTS[0]] * 3):
        assert_same_text(cached(prompts), encoder.encode(prompts))


def test_each_prompt_is_encoded_once_while_there_is_room(encoder, monkeypatch):
    asked = []
    whole = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda prompts: asked.extend(prompts) or whole(prompts))
    cached = CachedTexts(encoder)
    for _ in range(2):
        cached(PROMPTS)
    assert asked == list(dict.fromkeys(PROMPTS))

    asked.clear()
    # One row: 24 x 32 and 16 x 16 states of four bytes, and 40 numbers of eight in the mask.
    cached = CachedTexts(encoder, limit_bytes=2 * (4 * (24 * 32 + 16 * 16) + 8 * 40))
    for prompts in (["a", "b", "c"], ["c", "b"], ["a"], ["c"], ["b"]):
        assert_same_text(cached(prompts), whole(prompts))
    assert asked == ["a", "b", "c", "a", "b"]


def test_states_do_not_depend_on_who_asks_first(encoder):
    with torch.autocast("cpu", torch.bfloat16):
        trained = CachedTexts(encoder)(TEXTS)
    evaluated = CachedTexts(encoder)(TEXTS)
    assert trained.llm.dtype == torch.float32
    assert torch.equal(trained.llm, evaluated.llm)
    assert torch.equal(trained.clip, evaluated.clip)


def test_text_encoders_get_gradients_only_where_they_are_trained(encoder):
    for train_text in (True, False):
        model = scrambled(prompted(encoder, train_text=train_text))
        latents, times = torch.randn(2, 1, 2, 2, 2, generator=torch.Generator().manual_seed(0)), torch.full((2,), 0.5)
        model(latents, times, TEXTS[:2]).square().mean().backward()
        text = {name: value.grad for name, value in model.text_encoder.named_parameters()}
        if train_text:
            assert all(grad is not None and grad.isfinite().all() for grad in text.values())
            assert all(grad.abs().max() > 0 for grad in text.values())
        else:
            assert all(grad is None for grad in text.values())
            assert not any(value.requires_grad for value in model.text_encoder.parameters())
        assert all(value.grad is not None for value in model.transformer.parameters())
        model.zero_grad(set_to_none=True)


@torch.no_grad()
def test_trained_and_frozen_mode_give_one_velocity(encoder):
    model = scrambled(prompted(encoder, train_text=True))
    frozen = prompted(encoder, train_text=False)
    frozen.transformer.load_state_dict(model.transformer.state_dict())
    latents = torch.randn(3, 3, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    inputs = (latents, torch.tensor([0.1, 0.5, 0.9]), ["", *TEXTS[1:3]])
    assert torch.allclose(model(*inputs), frozen(*inputs), atol=1e-5)


@torch.no_grad()
def test_neighbours_and_padding_change_nothing(encoder):
    model = scrambled(prompted(encoder, train_text=False))
    latents = torch.randn(2, 3, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    times = torch.tensor([0.3, 0.6])
    both = model(latents, times, ["a red circle", TEXTS[1]])
    alone = model(latents[:1], times[:1], ["a red circle"])
    assert torch.allclose(both[:1], alone, atol=1e-5)


@torch.no_grad()
def test_frame_rate_reaches_a_transformer_that_reads_it(encoder):
    model = scrambled(prompted(encoder, train_text=False, use_additional_conditions=True))
    latents, times = torch.zeros(2, 1, 2, 2, 2), torch.full((2,), 0.5)
    slow, fast = model(latents, times, ["a", "a"], torch.tensor([8.0, 25.0]))
    assert not torch.allclose(slow, fast)
    assert torch.allclose(model(latents[:1], times[:1], ["a"], torch.tensor([8.0]))[0], slow, atol=1e-6)
