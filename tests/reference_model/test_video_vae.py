"""The Video-VAE against golden tensors, and what those do not cover."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from reference_model.config import VAEConfig
from reference_model.errors import ShapeError
from reference_model.vae.chunks import blend_borders
from reference_model.vae.layers import CausalAttention, CausalConv3d, PerFrameGroupNorm
from reference_model.vae.lengths import latent_frames, pixel_frames
from reference_model.vae.model import VideoVAE
from reference_model.vae.posterior import DiagonalGaussian


@pytest.fixture
def golden_vae(golden):
    encoder, decoder = golden("vae_encoder"), golden("vae_decoder")

    def build(**changes) -> VideoVAE:
        vae = VideoVAE(VAEConfig(**encoder.info["config"], **changes))
        vae.load_state_dict({**encoder.weights, **decoder.weights}, strict=True)
        return vae

    return build, encoder, decoder


@pytest.mark.parametrize("frames", [1, 17, 34])
def test_moments_equal_golden(golden_vae, distance, frames):
    build, file, _ = golden_vae
    with torch.no_grad():
        posterior = build().encode(file.inputs[f"x{frames}"])
    moments = torch.cat([posterior.mean, posterior.logvar], dim=2)
    assert distance(moments, file.outputs[f"moments{frames}"]) < 1e-5
    if frames == 34:
        assert distance(posterior.mean, file.outputs["mean34"]) < 1e-5
        assert distance(posterior.std, file.outputs["std34"]) < 1e-5
        sample = posterior.mean + posterior.std * file.inputs["eps34"]
        assert distance(sample, file.outputs["sample34"]) < 1e-5


@pytest.mark.parametrize("frames", [1, 3, 4, 6])
def test_decoded_clips_equal_golden(golden_vae, distance, frames):
    build, _, file = golden_vae
    with torch.no_grad():
        clip = build().decode(file.inputs[f"z{frames}"])
    expected = file.outputs[f"video_z{frames}"]
    assert distance(clip, expected) < 1e-5
    assert (clip - expected).abs().max() < 3e-5


def test_borders_before_blending_equal_golden(golden_vae, distance):
    build, _, file = golden_vae
    with torch.no_grad():
        clip = build(border_blend="none").decode(file.inputs["z6"])
    assert distance(clip[:, 15:19], file.outputs["video_z6_frames15to18_before_mix"]) < 1e-5


def chunks_of_constants(*values):
    """One chunk per value, 17 frames of one grey pixel."""
    return [torch.full((1, 17, 3, 1, 1), float(value)) for value in values]


@pytest.mark.parametrize(
    ("how", "border_frames"),
    [
        # A = 0 | B = 10 | C = 30, where B has a frame at either border:
        # B' = 0.6 * 10 = 6, A' = 0.4 * 6 = 2.4; then C' = 18 + 4 = 22, B'' = 6 + 0.4 * 22 = 14.8
        ("upstream", [2.4, 6.0, 14.8, 22.0]),
        # A' = 0.4 * 10 = 4, B' = 6; B'' = 6 + 12 = 18, C' = 22
        ("simultaneous", [4.0, 6.0, 18.0, 22.0]),
        ("none", [0.0, 10.0, 10.0, 30.0]),
    ],
)
def test_border_blend_by_hand(how, border_frames):
    blended = torch.cat(list(blend_borders(chunks_of_constants(0, 10, 30), how)), dim=1).flatten(1)[0].reshape(51, 3)
    torch.testing.assert_close(blended[[16, 17, 33, 34], 0], torch.tensor(border_frames))
    untouched = [frame for frame in range(51) if frame not in (16, 17, 33, 34)]
    expected = torch.tensor([0.0] * 17 + [10.0] * 17 + [30.0] * 17)[untouched]
    assert torch.equal(blended[untouched, 0], expected)


def test_a_chunk_of_one_frame_is_blended_on_both_sides():
    first, _, last = chunks_of_constants(0, 0, 30)
    single = torch.full((1, 1, 3, 1, 1), 10.0)
    blended = torch.cat(list(blend_borders([first, single, last], "upstream")), dim=1)[0, :, 0, 0, 0]
    # B' = 6, A' = 2.4; C' = 18 + 0.4 * 6 = 20.4, B'' = 3.6 + 0.4 * 20.4 = 11.76
    torch.testing.assert_close(blended[[16, 17, 18]], torch.tensor([2.4, 11.76, 20.4]))


def test_decoding_is_lazy_and_equal_to_decoding_at_once(small_vae, draw):
    vae = small_vae()
    latents = draw(1, 9, 2, 1, 1)
    decoded = []
    vae.decoder.register_forward_hook(lambda *_: decoded.append(1))
    pieces = vae.decode_chunks(latents)
    assert len(decoded) == 0
    first = next(pieces)
    assert first.shape == (1, 17, 3, 16, 16)
    assert len(decoded) == 2  # one chunk ahead, for the border
    rest = list(pieces)
    assert torch.equal(torch.cat([first, *rest], dim=1), vae.decode(latents))


def test_chunks_are_independent_of_each_other(small_vae, draw):
    vae = small_vae(border_blend="none")
    latents, clip = draw(1, 6, 2, 1, 1), draw(1, 34, 3, 16, 16)
    changed_latents, changed_clip = latents.clone(), clip.clone()
    changed_latents[:, 3:] += 1
    changed_clip[:, 17:] += 1
    with torch.no_grad():
        assert torch.equal(vae.decode(latents)[:, :17], vae.decode(changed_latents)[:, :17])
        assert torch.equal(vae.encode(clip).mean[:, :3], vae.encode(changed_clip).mean[:, :3])


def test_time_only_flows_forward_within_a_chunk(small_vae, draw):
    vae = small_vae()
    clip = draw(1, 17, 3, 16, 16)
    changed = clip.clone()
    changed[:, 9:] += 1
    with torch.no_grad():
        before, after = vae.encode(clip).mean, vae.encode(changed).mean
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, 2], after[:, 2])


def test_causal_convolution_keeps_time_and_looks_back_two_frames(draw):
    conv = CausalConv3d(1, 1)
    clip = draw(1, 1, 6, 4, 4).requires_grad_()
    conv(clip)[:, :, 3].sum().backward()
    seen = clip.grad.abs().sum(dim=(0, 1, 3, 4)) > 0
    assert seen.tolist() == [False, True, True, True, False, False]
    assert CausalConv3d(1, 1, stride=2)(clip).shape == (1, 1, 3, 2, 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_one_sample_takes_the_fast_kernel_of_many_with_the_same_numbers_and_gradients(draw, stride):
    conv = CausalConv3d(3, 5, stride=stride)
    clips = draw(2, 3, 5, 8, 6).requires_grad_()
    expected = F.conv3d(F.pad(clips, (1, 1, 1, 1, 2, 0)), conv.conv.weight, conv.conv.bias, stride=stride)
    weights = draw(*expected.shape)
    wanted = torch.autograd.grad((expected * weights).sum(), [clips, *conv.parameters()])
    alone = torch.cat([conv(clip[None]) for clip in clips])
    torch.testing.assert_close(alone, expected)
    got = torch.autograd.grad((alone * weights).sum(), [clips, *conv.parameters()])
    for left, right in zip(got, wanted, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)
    with profile(activities=[ProfilerActivity.CPU]) as profiled, torch.no_grad():
        conv(clips[:1])
    assert not any("slow_conv3d" in event.key for event in profiled.key_averages())
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(clips[:1]).dtype == torch.bfloat16


def test_group_norm_has_statistics_per_frame(draw):
    norm = PerFrameGroupNorm(2, 4)
    clip = draw(2, 4, 3, 5, 6) * torch.tensor([1.0, 10.0, 100.0])[:, None, None] + 7
    normed = norm(clip)
    for time in range(3):
        torch.testing.assert_close(normed[:, :, time], F.group_norm(clip[:, :, time], 2, eps=1e-5))


def test_middle_attention_is_causal_by_token_not_by_frame(draw):
    attention = CausalAttention(4, 2)
    clip = draw(1, 4, 2, 2, 3).requires_grad_()
    # Queries, keys and values pass the norm, which couples the pixels of a frame; without it only attention does.
    attention.norm = torch.nn.Identity()
    attention(clip)[0, 0, 1, 0, 1].backward()  # token 7 of 12
    seen = clip.grad.abs().sum(dim=(0, 1)).flatten() > 0
    assert seen.tolist() == [True] * 8 + [False] * 4


def test_posterior_clamps_and_samples_from_its_generator():
    moments = torch.tensor([1.0, -99.0, 99.0, 0.0]).reshape(1, 1, 4, 1, 1)
    posterior = DiagonalGaussian.from_moments(moments)
    assert posterior.mean.flatten().tolist() == [1.0, -99.0]
    assert posterior.logvar.flatten().tolist() == [20.0, 0.0]
    assert DiagonalGaussian.from_moments(-moments).logvar.flatten().tolist() == [-30.0, 0.0]
    draws = [posterior.sample(torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    noise = torch.randn(2, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(draws[0].flatten(), torch.tensor([1.0, -99.0]) + noise * torch.tensor([10, 0.0]).exp())


def test_gradients_reach_every_parameter_and_the_pixels(small_vae, draw):
    vae = small_vae()
    clip = draw(1, 17, 3, 16, 16).requires_grad_()
    reconstruction, posterior = vae(clip, torch.Generator().manual_seed(0))
    assert reconstruction.shape == clip.shape
    (reconstruction.square().mean() + posterior.logvar.mean()).backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert clip.grad.abs().max() > 0


def test_low_precision_weights_take_float32_clips_and_latents(small_vae, draw):
    vae = small_vae().bfloat16()
    with torch.no_grad():
        assert vae.encode(draw(1, 1, 3, 16, 16)).mean.dtype == torch.bfloat16
        assert vae.decode(draw(1, 1, 2, 1, 1)).dtype == torch.bfloat16


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (2, 1), (4, 1), (9, 2), (17, 3), (18, 4), (26, 5), (51, 9)])
def test_number_of_latent_frames(small_vae, draw, frames, latents):
    assert latent_frames(frames) == latents
    with torch.no_grad():
        assert small_vae().encode(draw(1, frames, 3, 16, 16)).mean.shape[1] == latents


@pytest.mark.parametrize(("latents", "frames"), [(1, 1), (2, 9), (3, 17), (4, 18), (5, 26), (9, 51)])
def test_number_of_decoded_frames(small_vae, draw, latents, frames):
    assert pixel_frames(latents) == frames
    with torch.no_grad():
        assert small_vae().decode(draw(1, latents, 2, 1, 1)).shape[1] == frames


def test_clips_that_do_not_fit_are_refused(small_vae):
    vae = small_vae()
    with pytest.raises(ShapeError, match="multiples of 16, got 16x20"):
        vae.encode(torch.zeros(1, 17, 3, 16, 20))
    with pytest.raises(ShapeError, match=r"shape \(batch, time, 3, height, width\), got \(1, 3, 17, 16, 16\)"):
        vae.encode(torch.zeros(1, 3, 17, 16, 16))
    with pytest.raises(ShapeError, match=r"clip of 23 frames has no latents(.|\n)*nearest lengths that work: 21, 26"):
        vae.encode(torch.zeros(1, 23, 3, 16, 16))
    with pytest.raises(ShapeError, match=r"from -1 to 1, got torch.uint8\n.*pixels / 127.5 - 1"):
        vae.encode(torch.zeros(1, 17, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(ShapeError, match=r"shape \(batch, time, 3, height, width\), got \(0, 17, 3, 16, 16\)"):
        vae.encode(torch.zeros(0, 17, 3, 16, 16))
    with pytest.raises(ShapeError, match=r"frames >= 1, 2, height, width\), got \(1, 3, 4, 1, 1\)"):
        vae.decode_chunks(torch.zeros(1, 3, 4, 1, 1))
    with pytest.raises(ShapeError, match=r"frames >= 1, 2, height, width\), got \(1, 3, 2, 0, 1\)"):
        vae.decode_chunks(torch.zeros(1, 3, 2, 0, 1))
