"""Scores and margins of clips against prompts, by tiny random towers and by the shipped one."""

from __future__ import annotations

import clips
import numpy as np
import pytest
import torch
import transformers
from tiny_models import write_clip

import metrics
from metrics.errors import MetricError, MissingInputError, UnavailableMetricError, UndefinedScoreError
from metrics.functional.prompts import prompt_margin
from metrics.prompt_alignment import MOST_DISTRACTORS
from metrics.registry import ALIGNMENT
from metrics.shapes_alignment import DISTRACTORS

ENGLISH = ["a cat surfing", "a red kite", "two blue dogs", "one green fish"]
CHINESE = ["一只猫在冲浪", "红色的风筝", "两只蓝狗", "一只绿鱼"]
TOWERS = ("clip", "siglip", "chinese_clip", "xclip", "shapes")


def prompts_for(tower: str) -> list[str]:
    if tower == "shapes":
        return list(DISTRACTORS[:4])
    return CHINESE if tower == "chinese_clip" else ENGLISH


def batch(count: int = 4, frames: int = 8) -> torch.Tensor:
    return torch.stack([clips.moving(seed, velocity=(1.0 + 0.3 * seed, -0.4), frames=frames) for seed in range(count)])


def build(name: str, **options):
    tower = name.rpartition("_")[0]
    options = {"distractors": prompts_for(tower)} | options if name.endswith("margin") else options
    return metrics.build(name, **options)


def value(name: str, preds: torch.Tensor, prompts: list[str], **options) -> float:
    metric = build(name, **options)
    metric.update(preds, prompts=prompts)
    return float(metric.compute())


def test_clip_score_is_that_of_torchmetrics_formula(weights):
    # max(100 cos, 0) per frame, from transformers' own forward pass.
    folder = weights / "clip-vit-base-patch32"
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.CLIPImageProcessorPil.from_pretrained(folder)
    preds = batch(2)
    scores = []
    for clip, text in zip(preds, ENGLISH, strict=False):
        pixels = processor(list(clip), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            logits = model(pixel_values=pixels, **tokenizer([text], return_tensors="pt")).logits_per_image
            scores.append(float((100 * logits[:, 0] / model.logit_scale.exp()).clamp(min=0).mean()))
    assert value("clip_score", preds, ENGLISH[:2]) == pytest.approx(np.mean(scores), abs=0.1)
    assert np.mean(scores) > 1


@pytest.mark.parametrize("tower", TOWERS)
def test_batches_and_order_do_not_matter(weights, tower):
    preds, prompts = batch(), prompts_for(tower)
    for what in ("score", "margin", "tokens_cut"):
        together = value(f"{tower}_{what}", preds, prompts)
        single = build(f"{tower}_{what}")
        for place in (2, 0, 3, 1):
            single.update(preds[place : place + 1], prompts=prompts[place : place + 1])
        assert float(single.compute()) == pytest.approx(together, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("tower", TOWERS)
def test_cards_keep_their_word(weights, tower):
    for what in ("score", "margin", "tokens_cut"):
        metric = build(f"{tower}_{what}")
        low, high = metric.card.range
        found = value(f"{tower}_{what}", batch(), prompts_for(tower))
        assert low <= found <= (np.inf if high is None else high)
        assert metric.card.name == f"{tower}_{what}"
        assert metric.card.weights_hash
        assert metric.card.weights_hash in metric.card.id
        assert metric.higher_is_better is (what != "tokens_cut")
        with pytest.raises(MissingInputError, match=f"{tower}_{what} needs a prompt"):
            metric.update(batch(1))


def test_every_aligning_metric_is_tested_here():
    assert set(ALIGNMENT) == {f"{tower}_{what}" for tower in TOWERS for what in ("score", "margin", "tokens_cut")}


def test_shards_merge_into_the_score_cosine_and_margin_of_one(weights):
    preds, prompts = batch(), [ENGLISH[0], ENGLISH[1], ENGLISH[0], ENGLISH[2]]
    whole = build("clip_score")
    whole.update(preds, prompts=prompts)
    shards = []
    for chosen in (slice(0, 3), slice(3, 3), slice(3, 4)):
        shard = build("clip_score")
        shard.update(preds[chosen], prompts=prompts[chosen])
        shards.append(shard)
    shards[0].merge_state(shards[1])
    shards[0].merge_state(shards[2])
    assert float(shards[0].compute()) == pytest.approx(float(whole.compute()), rel=1e-12)
    assert shards[0].cosine() == pytest.approx(whole.cosine(), rel=1e-12)
    merged, expected = shards[0].margin(), whole.margin()
    assert (merged.mean, merged.standard_error) == pytest.approx((expected.mean, expected.standard_error))
    assert merged.prompts == 3


def test_the_margin_by_hand():
    # Three prompts along the axes. Clips of prompt 0 have cosines (0.8, 0.6, 0) and (0.6, 0, 0.8), so the margins
    # 0.8 - 0.3 = 0.5 and 0.6 - 0.4 = 0.2, mean 0.35. The clip of prompt 1 has (0, 1, 0), margin 1; that of prompt 2
    # has (1, 0, 0), margin 0 - 0.5 = -0.5.
    axes = torch.eye(3, dtype=torch.float64)
    vectors = torch.tensor([[0.8, 0.6, 0], [0.6, 0, 0.8], [0, 1, 0], [1, 0, 0]], dtype=torch.float64)
    own = torch.tensor([0, 0, 1, 2])
    margin = prompt_margin(vectors, axes[own], own, torch.zeros(4, dtype=torch.int64))
    assert margin.mean == pytest.approx((0.35 + 1 - 0.5) / 3)
    assert margin.standard_error == pytest.approx(np.std([0.35, 1, -0.5], ddof=1) / np.sqrt(3))
    assert margin.prompts == 3


def test_other_languages_are_no_other_prompts():
    axes = torch.eye(4, dtype=torch.float64)
    own = torch.arange(4)
    clip = torch.full((4, 4), 0.5, dtype=torch.float64)
    clip[:, 2:] = -0.5  # the second language is far from everything
    groups = torch.tensor([0, 0, 1, 1])
    assert prompt_margin(clip, axes[own], own, groups).mean == pytest.approx(0)
    assert prompt_margin(clip, axes[own], own, torch.zeros(4, dtype=torch.int64)).mean == pytest.approx(0, abs=1e-12)
    clip[0, 1] = 0.1
    assert prompt_margin(clip, axes[own], own, groups).mean == pytest.approx(0.4 / 4)


def test_a_margin_needs_two_prompts_of_each_language(weights):
    metric = build("siglip_score")
    with pytest.raises(UndefinedScoreError, match="siglip_score has seen no clip"):
        metric.margin()
    metric.update(batch(3), prompts=[ENGLISH[0], ENGLISH[1], CHINESE[0]])
    with pytest.raises(UndefinedScoreError, match="at least two different prompts of each language, got 3"):
        metric.margin()


@pytest.mark.parametrize("seed", range(3))
def test_prompts_dealt_out_at_random_have_no_margin(tmp_path, seed):
    # A random tower, so that any margin could only come from the way it is computed.
    folder = write_clip(tmp_path / "clip", seed=seed)
    rng = np.random.default_rng(seed)
    prompts = ["".join(rng.choice(list("abcdefgh "), 12)) + "x" for _ in range(24)]
    metric = metrics.build("clip_score", weights=folder)
    metric.update(torch.stack([clips.moving(n, frames=2, side=32) for n in range(24)]), prompts=prompts)
    margin = metric.margin()
    assert margin.standard_error > 0.001
    assert abs(margin.mean) < 3 * margin.standard_error


@pytest.fixture(scope="module")
def world_clips():
    """64 clips of the world and their captions, by turns English and Chinese."""
    from stepbench.suites import load_suite
    from stepbench.worlds.moving_shapes.render import render
    from stepbench.worlds.moving_shapes.scene import Scene

    chosen = [prompt for prompt in load_suite("moving-shapes").prompts if prompt.split == "test"][:96:3]
    rendered = [
        render(Scene.from_json(prompt.ground_truth), frames=16, height=64, width=64, seed=3) for prompt in chosen
    ]
    return torch.from_numpy(np.stack(rendered)), [prompt.text for prompt in chosen]


def test_shapes_margin_is_large_for_captions_and_nil_for_shuffled_ones(world_clips):
    preds, captions = world_clips
    right, shuffled = metrics.build("shapes_score"), metrics.build("shapes_score")
    right.update(preds, prompts=captions)
    order = np.random.default_rng(1).permutation(len(captions))
    shuffled.update(preds, prompts=[captions[place] for place in order])
    assert right.margin().mean > 10 * right.margin().standard_error > 0
    assert abs(shuffled.margin().mean) < 3 * shuffled.margin().standard_error
    assert float(right.compute()) > float(shuffled.compute()) + 20


def test_shapes_margin_over_the_fixed_list_agrees(world_clips):
    preds, captions = world_clips
    own = metrics.build("shapes_margin")
    own.update(preds, prompts=captions)
    assert float(own.compute()) > 0.3
    other = metrics.build("shapes_margin")
    other.update(preds, prompts=captions[4:] + captions[:4])
    assert abs(float(other.compute())) < 0.1


def test_the_shipped_distractors_are_captions_in_two_languages():
    from stepbench.worlds.moving_shapes.captions import parse_caption

    scenes = [parse_caption(text) for text in DISTRACTORS]
    assert scenes[:16] == scenes[16:]
    assert len(set(DISTRACTORS)) == 32


def test_the_margin_of_one_clip_is_its_cosine_less_that_of_the_others(weights):
    clip = batch(1)
    score = {text: build("clip_score") for text in ENGLISH}
    for text, metric in score.items():
        metric.update(clip, prompts=[text])
    cosines = {text: metric.cosine() for text, metric in score.items()}
    expected = cosines[ENGLISH[0]] - np.mean([cosines[text] for text in ENGLISH[1:]])
    distractors = [*ENGLISH, *CHINESE, ENGLISH[1]]  # repeats and other languages do not count
    assert value("clip_margin", clip, [ENGLISH[0]], distractors=distractors) == pytest.approx(expected)


def test_distractors_are_part_of_the_identity_but_not_their_order(weights):
    card = build("clip_margin").card
    assert build("clip_margin", distractors=[*ENGLISH[::-1], ENGLISH[0]]).card == card
    assert build("clip_margin", distractors=ENGLISH[:3]).card.id != card.id
    assert "-vs4-" in card.policy


def test_of_many_distractors_the_same_ones_count_for_every_clip(weights):
    many = [f"prompt {letter} {other}" for letter in "abcdefghijkl" for other in "abcdefghijkl"]
    metric = build("siglip_margin", distractors=[*many, *CHINESE])
    assert len(metric.distractors) == MOST_DISTRACTORS + len(CHINESE)
    assert metric.distractors == build("siglip_margin", distractors=[*CHINESE, *many[::-1]]).distractors


@pytest.mark.parametrize("bad", [[], "a single text"])
def test_a_margin_without_a_list_is_refused(weights, bad):
    with pytest.raises(MetricError, match="distractors must be a list of at least one prompt"):
        build("clip_margin", distractors=bad)


def test_a_margin_without_a_distractor_of_the_language_is_refused(weights):
    with pytest.raises(UndefinedScoreError, match="siglip_margin has no distractor in the language of '一只猫在冲浪'"):
        value("siglip_margin", batch(1), [CHINESE[0]], distractors=ENGLISH)


def test_a_refused_batch_leaves_no_trace(weights):
    metric = build("clip_score")
    with pytest.raises(UndefinedScoreError, match="reads English only"):
        metric.update(batch(2), prompts=[ENGLISH[0], CHINESE[0]])
    assert (int(metric.count), len(metric.clip_vectors)) == (0, 0)
    with pytest.raises(UndefinedScoreError, match="needs a prompt with words, got ' '"):
        metric.update(batch(1), prompts=[" "])


def test_truncation_is_a_value(weights):
    assert value("clip_tokens_cut", batch(1), ["abc " * 30]) == 90 + 2 - 77
    assert value("chinese_clip_tokens_cut", batch(1), ["红" * 60]) == 10


def test_one_pass_of_the_network_serves_score_and_margin(weights, monkeypatch):
    from metrics.backbones.hub_towers import FrameTower

    passes = []
    embed = FrameTower.embed_clip
    monkeypatch.setattr(FrameTower, "embed_clip", lambda tower, frames: passes.append(1) or embed(tower, frames))
    view = metrics.ClipView(batch(1)[0], prompt=ENGLISH[0])
    scores = metrics.score_view(view, {name: build(name) for name in ("clip_score", "clip_margin", "clip_tokens_cut")})
    assert [score.status for score in scores.values()] == ["ok"] * 3
    assert len(passes) == 1


def test_missing_weights_are_told_by_the_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    assert "weights clip-vit-base-patch32 are not at" in metrics.METRICS["clip_score"].unavailable()
    assert metrics.METRICS["shapes_score"].unavailable() == ""
    with pytest.raises(UnavailableMetricError, match="stepbench weights pull siglip2-base-patch16-224"):
        metrics.build("siglip_score")
    assert metrics.describe("clip_score").weights_hash == ""


def test_present_weights_are_ready(weights):
    assert metrics.METRICS["clip_score"].unavailable() == ""
    assert metrics.METRICS["subject_consistency"].unavailable() == ""
