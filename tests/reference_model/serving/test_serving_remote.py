"""Parts in another process give the numbers that they give here."""

from __future__ import annotations

import pytest
import torch

from reference_model.checkpoint import load_transformer
from reference_model.errors import ShapeError
from reference_model.sampling.pipeline import TextEncoder, VideoDecoder
from reference_model.serving import Limits, RemoteTextEncoder, RemoteVAE, ServingError, load_remote_pipeline
from reference_model.text.conditioning import TextConditioning

PROMPTS = ["a red ○ moves up", "一个蓝的方向下移动", "", "emoji 🎬 \x00 and\nlines"]


def equal(left: TextConditioning, right: TextConditioning) -> bool:
    return all(torch.equal(getattr(left, name), getattr(right, name)) for name in ("llm", "clip", "mask"))


def test_remote_parts_are_what_the_pipeline_asks_for():
    assert isinstance(RemoteTextEncoder("http://127.0.0.1:1"), TextEncoder)
    assert isinstance(RemoteVAE("http://127.0.0.1:1"), VideoDecoder)


def test_remote_text_has_the_numbers_of_local_text(serving_process, local):
    remote = RemoteTextEncoder(serving_process.url).encode(PROMPTS)
    expected = local.text_encoder.encode(PROMPTS)
    assert equal(remote, expected)
    assert remote.llm.dtype == torch.float32
    assert not torch.equal(remote.llm[0], remote.llm[1])


def test_many_prompts_go_in_several_requests(serve, local):
    asked = []

    class Counting:
        def encode(self, prompts):
            asked.append(len(prompts))
            return local.text_encoder.encode(prompts)

    prompts = [f"a red {number}" for number in range(7)]
    server = serve(text_encoder=Counting(), limits=Limits(max_prompts=3))
    assert equal(RemoteTextEncoder(server.url).encode(prompts), local.text_encoder.encode(prompts))
    assert asked == [3, 3, 1]


def test_text_without_clip_stays_without(serve):
    class OnlyStepLLM:
        def encode(self, prompts):
            return TextConditioning(
                llm=torch.ones(len(prompts), 2, 3), clip=None, mask=torch.ones(len(prompts), 2).long()
            )

    assert RemoteTextEncoder(serve(text_encoder=OnlyStepLLM()).url).encode(["a"]).clip is None


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 7])
def test_remote_decoding_has_the_numbers_of_local_decoding(serving_process, local, draw, frames):
    latents = draw(2, frames, 2, 2, 1)
    remote = RemoteVAE(serving_process.url)
    with torch.no_grad():
        expected = list(local.vae.decode_chunks(latents))
    pieces = list(remote.decode_chunks(latents))
    assert len(pieces) == len(expected)
    assert all(torch.equal(left, right) for left, right in zip(pieces, expected, strict=True))
    assert torch.equal(remote.decode(latents), torch.cat(expected, dim=1))


@pytest.mark.parametrize("how", ["simultaneous", "none"])
def test_borders_are_blended_as_the_servers_vae_would(serve, small_vae, draw, how):
    vae = small_vae(border_blend=how)
    latents = draw(1, 6, 2, 1, 1)
    with torch.no_grad():
        assert torch.equal(RemoteVAE(serve(vae=vae).url).decode(latents), vae.decode(latents))


@pytest.mark.parametrize("frames", [1, 17, 35])
def test_remote_encoding_has_the_numbers_of_local_encoding(serving_process, local, draw, frames):
    clips = draw(2, frames, 3, 32, 16)
    with torch.no_grad():
        expected = local.vae.encode(clips)
    remote = RemoteVAE(serving_process.url).encode(clips.requires_grad_())
    assert torch.equal(remote.mean, expected.mean)
    assert torch.equal(remote.logvar, expected.logvar)
    assert not remote.mean.requires_grad


def test_low_precision_survives_the_way(serve, small_vae, draw):
    vae = small_vae().bfloat16()
    latents = draw(1, 4, 2, 1, 1)
    with torch.no_grad():
        expected = vae.decode(latents)
    remote = RemoteVAE(serve(vae=vae).url).decode(latents)
    assert remote.dtype == torch.bfloat16
    assert torch.equal(remote, expected)


def test_a_pipeline_by_url_makes_the_same_clips(serving_process, model_folder, local):
    url = serving_process.url
    remote = load_remote_pipeline(model_folder, text_url=url, vae_url=url)
    expected = local(PROMPTS[:2], seeds=[1, 2])
    clips = remote(PROMPTS[:2], seeds=[1, 2])
    assert all(torch.equal(left.frames, right.frames) for left, right in zip(clips, expected, strict=True))
    assert clips[0].frames.shape == (34, 3, 32, 16)
    assert not torch.equal(clips[0].frames, clips[2].frames)


def test_only_the_part_with_a_url_is_remote(serving_process, model_folder, local, tmp_path):
    halves = [
        load_remote_pipeline(model_folder, text_url=serving_process.url),
        load_remote_pipeline(model_folder, vae_url=serving_process.url),
    ]
    assert isinstance(halves[0].text_encoder, RemoteTextEncoder)
    assert isinstance(halves[1].vae, RemoteVAE)
    (expected,) = local("a blue □ moves up")
    assert all(torch.equal(half("a blue □ moves up")[0].frames, expected.frames) for half in halves)
    # What is remote need not be in the folder.
    (tmp_path / "transformer").symlink_to(model_folder / "transformer")
    url = serving_process.url
    alone = load_remote_pipeline(tmp_path, text_url=url, vae_url=url, sampling=local.sampling)
    assert torch.equal(alone("a blue □ moves up")[0].frames, expected.frames)
    assert alone.transformer.cfg == load_transformer(model_folder).cfg


def test_shapes_are_checked_like_those_of_a_local_vae(serving_process, draw):
    vae = RemoteVAE(serving_process.url)
    assert vae.cfg.z_channels == 2
    with pytest.raises(
        ShapeError, match=r"latents must have shape \(batch, frames >= 1, 2, height, width\), got \(1, 3"
    ):
        vae.decode_chunks(draw(1, 3, 4, 1, 1))
    with pytest.raises(ShapeError, match=r"a length that has latents, got \(1, 6, 3, 16, 16\)"):
        vae.encode(draw(1, 6, 3, 16, 16))
    with pytest.raises(
        ServingError, match=r"answered 400: height and width must be multiples of 16, got 17x16(.|\n)*crop"
    ):
        vae.encode(draw(1, 1, 3, 17, 16))


def test_a_server_of_one_part_says_so(serve, small_vae):
    url = serve(vae=small_vae()).url
    with pytest.raises(ServingError, match=r"serves vae, not text\n  hint: start it with --parts text"):
        RemoteTextEncoder(url).encode(["a"])
    with pytest.raises(ServingError, match="at least one prompt"):
        RemoteTextEncoder(url).encode([])
