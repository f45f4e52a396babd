"""The pipeline as users call it, on a small model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference_model.errors import ConfigError, ReferenceModelError, ShapeError
from reference_model.sampling.samples import list_samples
from reference_model.sampling.sizes import latent_shape


def same(left, right):
    """Equal up to one grey level: batching changes the order of floating-point sums."""
    return (left.frames.int() - right.frames.int()).abs().max() <= 1


def test_a_prompt_becomes_a_clip(small_pipeline):
    (video,) = small_pipeline("a red square")
    assert video.frames.shape == (17, 3, 32, 16)
    assert video.frames.dtype == torch.uint8
    assert (video.prompt, video.seed, video.fps) == ("a red square", 0, 25.0)
    assert video.frames.float().std() > 5


def test_the_seed_reaches_the_noise_and_repeats(small_pipeline):
    first, second, again = small_pipeline("a red square", seeds=[1, 2, 1])
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, second.frames)


def test_prompts_and_seeds_come_out_in_order(small_pipeline):
    videos = small_pipeline(["one", "two"], seeds=[3, 4], batch_size=3)
    assert [(video.prompt, video.seed) for video in videos] == [("one", 3), ("one", 4), ("two", 3), ("two", 4)]


def test_batching_and_guidance_passes_do_not_change_clips(small_pipeline):
    alone = small_pipeline(["one", "two"], seeds=[3, 4])
    for options in ({"batch_size": 3}, {"batched_guidance": False}, {"batch_size": 4, "batched_guidance": False}):
        together = small_pipeline(["one", "two"], seeds=[3, 4], **options)
        assert all(same(left, right) for left, right in zip(alone, together, strict=True))


def test_clips_arrive_one_by_one(small_pipeline):
    steps = []
    clips = small_pipeline.stream(["one", "two"], callback=steps.append)
    assert steps == []
    next(clips)
    assert len(steps) == 2  # two steps, one clip
    next(clips)
    assert len(steps) == 4


def test_magic_prompts_reach_the_encoder(small_pipeline):
    small_pipeline(["one", "one", "two"], negative_magic="ugly")
    small_pipeline("one", negative_prompt="wrong")
    small_pipeline("one", positive_magic="", negative_prompt="")
    assert small_pipeline.text_encoder.asked == [["one+", "two+", "ugly"], ["one+", "wrong"], ["one", ""]]


def test_guidance_is_off_up_to_one(small_pipeline):
    passes = []
    small_pipeline.transformer.register_forward_hook(lambda _module, _args, output: passes.append(output.shape[0]))
    for scale in (3.0, 1.0, 0.0):
        small_pipeline("one", guidance_scale=scale)
    assert passes == [2, 2, 1, 1, 1, 1]
    assert small_pipeline.text_encoder.asked[1:] == [["one+"], ["one+"]]


def test_negative_prompt_and_guidance_matter(small_pipeline):
    clips = [
        small_pipeline("one", **options)[0].frames
        for options in ({}, {"negative_prompt": "zzzzzz"}, {"guidance_scale": 6.0}, {"guidance_scale": 1.0})
    ]
    assert all(not torch.equal(clips[0], other) for other in clips[1:])


def test_callbacks_see_every_step(small_pipeline):
    steps = []
    small_pipeline(["one", "two"], num_steps=3, batch_size=2, callback=steps.append)
    assert [step.index for step in steps] == [0, 1, 2]
    assert [step.num_steps for step in steps] == [3] * 3
    assert steps[0].time == 0.0
    assert [sample.prompt for sample in steps[0].samples] == ["one", "two"]
    assert steps[0].latents.shape == (2, 3, 2, 2, 1)
    assert steps[0].latents.dtype == torch.float32


def test_a_callback_can_stop_the_sampling(small_pipeline):
    def stop(_step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_pipeline("one", callback=stop)


def test_progress_goes_to_stderr_and_only_on_demand(small_pipeline, capsys):
    small_pipeline("one")
    assert capsys.readouterr() == ("", "")
    small_pipeline("one", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "denoising" in err


def test_an_image_is_a_clip_of_one_frame(small_pipeline):
    assert small_pipeline("one", num_frames=1)[0].frames.shape == (1, 3, 32, 16)


def test_stages_can_be_run_by_hand(small_pipeline, draw):
    settings = small_pipeline.sampling
    positive, negative = small_pipeline.encode_prompts(["one"], settings)
    noise = draw(1, *small_pipeline.latent_shape(settings))
    latents = small_pipeline.denoise(noise, positive, negative, settings)
    assert small_pipeline.decode(latents, settings).shape == (1, 17, 3, 32, 16)
    # The released pipeline rounds noise that it is given to bfloat16.
    assert torch.equal(latents, small_pipeline.denoise(noise.bfloat16().float(), positive, negative, settings))
    precise = settings.changed(compat="precise")
    assert not torch.equal(latents, small_pipeline.denoise(noise, positive, negative, precise))


def test_latents_are_computed_where_the_transformer_is(small_pipeline, draw):
    small_pipeline.transformer.to("meta")
    positive, negative = small_pipeline.encode_prompts(["one"], small_pipeline.sampling)
    noise = draw(1, *small_pipeline.latent_shape(small_pipeline.sampling))
    assert small_pipeline.denoise(noise, positive, negative, small_pipeline.sampling).is_meta


def test_frame_rate_reaches_a_transformer_that_asks_for_it(small_pipeline, small_transformer):
    small_pipeline.transformer = small_transformer(use_additional_conditions=True)
    slow, fast = (small_pipeline("one", fps=rate)[0] for rate in (8.0, 30.0))
    assert not torch.equal(slow.frames, fast.frames)
    assert (slow.fps, fast.fps) == (8.0, 30.0)


def test_sampling_leaves_no_graph_behind_and_no_inference_tensors(small_pipeline):
    latents = []
    small_pipeline("one", callback=lambda step: latents.append(step.latents))
    assert not latents[-1].requires_grad
    latents[-1].requires_grad_().square().sum().backward()  # training may start from sampled latents


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"num_frames": 50}, ShapeError, r"1 or a multiple of 17, got 50\n  hint: use 34 or 51"),
        ({"num_frames": 0}, ShapeError, r"got 0\n  hint: use 1 or 17"),
        ({"num_frames": 5}, ShapeError, r"got 5\n  hint: use 1 or 17"),
        ({"height": 40}, ShapeError, r"height must be a multiple of 16, got 40\n  hint: use 32 or 48"),
        ({"width": 3}, ShapeError, r"width must be a multiple of 16, got 3\n  hint: use 16"),
        ({"steps": 3}, ConfigError, "no key 'steps'\n  hint: did you mean num_steps"),
        ({"num_steps": 0}, ConfigError, "at least one step"),
        ({"batch_size": 0}, ReferenceModelError, "batch_size must be at least 1, got 0"),
        ({"seeds": [3, 2**64]}, ReferenceModelError, "a seed must fit into 64 bits, got 18446744073709551616"),
        ({"seeds": []}, ReferenceModelError, r"every prompt needs at least one seed, got \[\]"),
        ({"seeds": [[1], [2]]}, ReferenceModelError, "got 2 rows for 1 prompts(.|\n)*flat list"),
        ({"seeds": [1, [2]]}, ReferenceModelError, r"all ints or all sequences of ints, got \[1, \[2\]\]"),
    ],
)
def test_bad_requests_are_refused_before_any_work(small_pipeline, options, kind, message):
    with pytest.raises(kind, match=message):
        small_pipeline.stream("one", **options)
    assert small_pipeline.text_encoder.asked == []


def test_no_prompt_is_refused(small_pipeline):
    with pytest.raises(ReferenceModelError, match="at least one prompt"):
        small_pipeline([])


def test_samples_of_prompts_and_seeds():
    def pairs(prompts, seeds):
        return [(sample.prompt, sample.seed) for sample in list_samples(prompts, seeds)]

    assert pairs("a", 5) == [("a", 5)]
    assert pairs(["a", "b"], 5) == [("a", 5), ("b", 5)]
    assert pairs(["a", "b"], range(2)) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert pairs(["a"], np.arange(2)) == [("a", 0), ("a", 1)]
    assert pairs(["a", "b"], [[1, 2], [3]]) == [("a", 1), ("a", 2), ("b", 3)]


def test_latent_shapes_of_published_sizes():
    assert latent_shape(204, 544, 992, 64) == (36, 64, 34, 62)
    assert latent_shape(204, 768, 768, 64) == (36, 64, 48, 48)
    assert latent_shape(136, 544, 992, 64) == (24, 64, 34, 62)
    assert latent_shape(1, 16, 16, 64) == (1, 64, 1, 1)
    with pytest.raises(ShapeError, match=r"multiple of 32, got 48\n  hint: use 32 or 64"):
        latent_shape(17, 48, 64, 4, patch_size=2)
