"""Streamed decoding: the same frames, and memory that does not grow with the clip."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from reference_model.errors import ShapeError
from reference_model.memory.live_bytes import LiveBytes
from reference_model.memory.stream import stream_frames
from reference_model.sampling.pixels import to_uint8


@pytest.mark.parametrize("compat", ["upstream", "precise"])
def test_frames_are_those_of_decode(small_vae, draw, compat):
    vae, latents = small_vae(), draw(1, 8, 2, 2, 2)
    with torch.no_grad():
        expected = to_uint8(vae.decode(latents)[0], compat)
    chunks = list(stream_frames(vae, latents, compat))
    assert [len(chunk) for chunk in chunks] == [17, 17, 9]
    assert torch.equal(torch.cat(chunks), expected)


def peak_bytes(vae, latents):
    with LiveBytes() as live:
        for frames in stream_frames(vae, latents):
            del frames
    return live.peak


def test_peak_memory_does_not_depend_on_the_number_of_frames(small_vae, draw):
    vae = small_vae()
    short, long = peak_bytes(vae, draw(1, 6, 2, 2, 2)), peak_bytes(vae, draw(1, 18, 2, 2, 2))
    assert long == short
    with LiveBytes() as live, torch.no_grad():
        vae.decode(draw(1, 18, 2, 2, 2))
    assert live.peak > 1.1 * long  # what is measured does grow where all frames are kept


def test_while_a_chunk_is_decoded_only_the_one_before_is_alive(small_vae, draw):
    vae = small_vae()
    made: list[weakref.ref] = []
    decode_chunk = vae.decode_chunk

    def counted(latents):
        gc.collect()
        assert sum(storage() is not None for storage in made) <= 1
        chunk = decode_chunk(latents).clone()
        made.append(weakref.ref(chunk.untyped_storage()))
        return chunk

    vae.decode_chunk = counted
    for frames in stream_frames(vae, draw(1, 12, 2, 1, 1)):
        assert frames.dtype == torch.uint8
    assert len(made) == 4


def test_the_callers_mode_of_gradients_is_kept(small_vae, draw):
    frames = stream_frames(small_vae(), draw(1, 6, 2, 1, 1))
    next(frames)
    assert torch.is_grad_enabled()


def test_latents_that_do_not_fit_are_refused(small_vae, draw):
    with pytest.raises(ShapeError, match=r"latents must have shape .* got \(1, 3, 5, 1, 1\)"):
        next(stream_frames(small_vae(), draw(1, 3, 5, 1, 1)))
