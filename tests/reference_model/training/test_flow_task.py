"""Batches, targets and losses of flow matching, checked against the definition."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from flow_toys import FieldModel, store_of
from scipy import stats

from reference_model.errors import ConfigError
from reference_model.training.flow import FlowRecipe, FlowTask, velocity_error

RECIPE = FlowRecipe(steps=100, batch_size=6, text_dropout=0.0)
CLIP, IMAGE = (3, 2, 2, 2), (1, 2, 2, 2)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clips_and_images(clips: int, images: int):
    """A store whose clip number n has all latents equal to n."""
    shapes = [CLIP] * clips + [IMAGE] * images
    return store_of(*(torch.full(shape, float(number)) for number, shape in enumerate(shapes)))


def task_of(store, recipe=RECIPE, field=lambda noisy, *_: torch.zeros_like(noisy), test=None, judge=None):
    return FlowTask(FieldModel(field), recipe, store, test or store, judge)  # type: ignore[arg-type]


def test_the_velocity_leads_from_noise_to_data_on_a_straight_line():
    data, noise = drawn(4, *CLIP), drawn(4, *CLIP, seed=1)
    times = torch.tensor([0.0, 0.25, 0.5, 1.0])
    seen = []

    def field(noisy, at, prompts, fps):
        seen.extend([noisy, at, prompts, fps])
        return 3 * torch.ones_like(noisy)

    errors = velocity_error(FieldModel(field), data, noise, times, list("abcd"), torch.full((4,), 8.0))
    for row, time in enumerate(times.tolist()):
        assert torch.allclose(seen[0][row], (1 - time) * noise[row] + time * data[row])
        assert errors[row].item() == pytest.approx((3 - (data[row] - noise[row])).square().mean().item(), rel=1e-5)
    assert torch.equal(seen[1], times)
    assert seen[2] == list("abcd")
    assert seen[3].tolist() == [8.0] * 4


@pytest.mark.parametrize("sampling", ["logit-normal", "uniform"])
def test_a_model_that_knows_the_data_has_no_loss(sampling):
    store = store_of(*drawn(8, *CLIP))
    known = {captions[0]: latents for captions, latents in zip(store.captions, store.latents, strict=True)}

    def exact(noisy, times, prompts, fps):
        data = torch.stack([known[prompt] for prompt in prompts])
        return (data - noisy) / (1 - times.view(-1, 1, 1, 1, 1))

    task = task_of(store, replace(RECIPE, time_sampling=sampling, logit_std=0.5), exact)
    loss, _ = task.loss(task.model, task.batch(3, range(6)), 3, range(6))
    assert loss.item() < 1e-8


def test_the_loss_of_a_model_that_says_nothing_is_the_mean_square_of_the_velocity():
    store = store_of(*drawn(8, *CLIP))
    seen = []

    def nothing(noisy, times, prompts, fps):
        seen.append((noisy, times.view(-1, 1, 1, 1, 1)))
        return torch.zeros_like(noisy)

    task = task_of(store, replace(RECIPE, logit_std=0.3), nothing)
    batch = task.batch(0, range(6))
    loss, figures = task.loss(task.model, batch, 0, range(6))
    noisy, times = seen[0]
    noise = (noisy - times * batch.latents) / (1 - times)
    assert loss.item() == pytest.approx((batch.latents - noise).square().mean().item(), rel=1e-4)
    assert abs(noise.mean()) < 0.3
    assert noise.std() == pytest.approx(1, abs=0.2)
    assert figures == {}


def test_a_batch_in_parts_has_the_same_loss():
    store = store_of(*drawn(12, *CLIP), captions=[["a", "b", "ccc"]] * 12)

    def field(noisy, times, prompts, fps):
        words = torch.tensor([float(len(prompt)) for prompt in prompts]).view(-1, 1, 1, 1, 1)
        return noisy * words + times.view(-1, 1, 1, 1, 1)

    task = task_of(store, replace(RECIPE, text_dropout=0.5), field)
    whole, _ = task.loss(task.model, task.batch(5, range(6)), 5, range(6))
    parts = [task.loss(task.model, task.batch(5, part), 5, part)[0] * len(part) for part in ([0, 1], [2, 3, 4, 5])]
    assert torch.allclose(whole, sum(parts) / 6)
    other_step, _ = task.loss(task.model, task.batch(6, range(6)), 6, range(6))
    assert not torch.allclose(whole, other_step)


def test_images_and_clips_are_mixed_but_never_within_a_batch():
    task = task_of(clips_and_images(clips=6, images=2), replace(RECIPE, batch_size=3))
    seen: Counter[int] = Counter()
    images = 0
    for step in range(600):
        batch = task.batch(step, range(3))
        assert batch.latents.shape in ((3, *CLIP), (3, *IMAGE))
        images += batch.latents.shape[1] == 1
        seen.update(batch.latents[:, 0, 0, 0, 0].int().tolist())
    assert images / 600 == pytest.approx(2 / 8, abs=0.07)
    # Each one as often as any other, whatever its shape.
    assert all(count == pytest.approx(600 * 3 / 8, rel=0.25) for count in seen.values())
    assert len(seen) == 8
    loss, _ = task.loss(task.model, task.batch(0, range(3)), 0, range(3))
    assert loss > 0


def test_processes_that_share_a_batch_draw_one_bucket():
    task = task_of(clips_and_images(clips=5, images=4))
    for step in range(12):
        whole = task.batch(step, range(6))
        for part in ([0, 2, 4], [1, 3, 5]):
            assert torch.equal(task.batch(step, part).latents, whole.latents[part])


def test_latents_prompts_and_rates_belong_together():
    store = store_of(
        *(torch.full(CLIP, float(number)) for number in range(5)), fps=[8.0 + number for number in range(5)]
    )
    task = task_of(store)
    for step in range(5):
        batch = task.batch(step, range(6))
        numbers = batch.latents[:, 0, 0, 0, 0].int().tolist()
        assert batch.prompts == [f"clip {number}" for number in numbers]
        assert batch.fps.tolist() == [8.0 + number for number in numbers]
    assert batch.latents.dtype == torch.float32


def test_prompts_are_dropped_as_often_as_said_and_captions_drawn_evenly():
    store = store_of(*torch.zeros(4, *IMAGE), captions=[["a", "b", "c"]] * 4)

    def prompts(share):
        task = task_of(store, replace(RECIPE, text_dropout=share))
        return Counter(prompt for step in range(500) for prompt in task.batch(step, range(6)).prompts)

    assert "" not in prompts(0.0)
    assert set(prompts(1.0)) == {""}
    counts = prompts(0.2)
    assert stats.binomtest(counts.pop(""), 3000, 0.2).pvalue > 0.01
    assert stats.chisquare(list(counts.values())).pvalue > 0.01
    assert set(counts) == {"a", "b", "c"}


def test_test_loss_is_over_the_first_held_out_clips_of_all_shapes(tmp_path):
    asked = []

    def nothing(noisy, times, prompts, fps):
        asked.extend(zip(prompts, noisy.shape[1:2] * len(prompts), strict=True))
        return torch.zeros_like(noisy)

    shapes = [CLIP, IMAGE, CLIP, CLIP, IMAGE, CLIP]
    test = store_of(*(drawn(*shape) for shape in shapes), captions=[["en", "zh"]] * 6)
    judge = {"judged": 0.5}
    task = task_of(
        test, replace(RECIPE, held_out=5), nothing, judge=lambda folder, step: {**judge, "step": float(step)}
    )
    figures = task.evaluate(tmp_path, 7)
    assert asked == [("en", 3), ("en", 3), ("zh", 3), ("zh", 1), ("en", 1)]
    assert figures == {"loss": pytest.approx(2, abs=1), "judged": 0.5, "step": 7.0}
    assert task.evaluate(tmp_path, 7) == figures
    # A shorter look is a look at the same clips, times and noise.
    alone = task_of(test, replace(RECIPE, held_out=1), nothing).evaluate(tmp_path, 7)["loss"]
    two = task_of(test, replace(RECIPE, held_out=2), nothing).evaluate(tmp_path, 7)["loss"]
    assert alone != two
    assert task_of(test, replace(RECIPE, held_out=0)).evaluate(tmp_path, 7) == {}


def test_a_clip_without_caption_is_refused():
    silent = store_of(torch.zeros(IMAGE), torch.zeros(IMAGE), captions=[["a"], []])
    with pytest.raises(ConfigError, match=r"1 train clips have none, first number 1\n  hint: the caption ''"):
        task_of(silent)
    with pytest.raises(ConfigError, match="1 test clips have none"):
        task_of(store_of(torch.zeros(IMAGE)), test=silent)
