"""The shipped `shapes` weights do what they are shipped for, on combinations that training never showed."""

from __future__ import annotations

import pytest
import torch

from metrics.backbones.shapes import load
from metrics.functional import frechet_distance
from stepbench.training.shapes_distances import distance_table
from stepbench.training.shapes_scores import attribute_answers, drawn_clip, drawn_scene, gallery_answers
from stepbench.worlds.moving_shapes import caption


@pytest.fixture(scope="module")
def encoder():
    return load()


@pytest.fixture(scope="module")
def answers(encoder):
    return attribute_answers(encoder, range(64), level=1)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("attribute", "floor"), [("colour", 0.9), ("shape", 0.8), ("size", 0.8), ("direction", 0.8), ("speed", 0.8)]
)
def test_right_captions_beat_near_misses(answers, attribute, floor, language):
    chosen = answers[(answers["attribute"] == attribute) & (answers["language"] == language)]
    assert len(chosen) > 50
    assert chosen["right"].mean() >= floor  # guessing: 1/6, 1/4, 1/3, 1/9 and 1/2


def test_captions_find_their_clips_among_64(encoder):
    found = gallery_answers(encoder, [0], levels=(1,)).groupby("language")["right"].mean()
    assert found["en"] >= 0.6
    assert found["zh"] >= 0.6


def test_shuffled_captions_score_lower_by_a_wide_margin(encoder):
    scenes = [drawn_scene("test", (1, 2, 3), number) for number in range(24)]
    videos = torch.cat([encoder.embed_video(drawn_clip(scene, number)) for number, scene in enumerate(scenes)])
    for language in ("en", "zh"):
        cosines = videos @ encoder.embed_text([caption(scene, language) for scene in scenes]).T
        right, others = cosines.diagonal(), cosines[~torch.eye(24, dtype=torch.bool)]
        assert right.mean() > others.mean() + 5 * others.std() / 24**0.5
        assert right.mean() > 0.5


def test_both_languages_say_the_same(encoder):
    scenes = [drawn_scene("test", (1,), number) for number in range(32)]
    english, chinese = (encoder.embed_text([caption(scene, language) for scene in scenes]) for language in ("en", "zh"))
    cosines = english @ chinese.T
    assert (cosines.argmax(dim=1) == torch.arange(32)).float().mean() > 0.9


def test_a_reversed_clip_moves_the_other_way(encoder):
    numbers = [n for n in range(200) if drawn_scene("test", (1,), n).objects[0].direction in ("left", "right")][:16]
    other = {"left": "right", "right": "left"}
    told = []
    for number in numbers:
        scene = drawn_scene("test", (1,), number)
        text = caption(scene)
        way = scene.objects[0].direction
        texts = encoder.embed_text([text, text.replace(f"to the {way}", f"to the {other[way]}")])
        clip = drawn_clip(scene, number)
        for video, right in ((clip, 0), (clip.flip(1), 1)):
            told.append(int((texts @ encoder.embed_video(video)[0]).argmax()) == right)
    assert sum(told) >= 0.9 * len(told)


def test_slight_damage_keeps_the_ranking_of_captions(encoder):
    from stepbench.worlds.moving_shapes.corruptions import damage_frames
    from stepbench.worlds.moving_shapes.seeding import keyed_rng

    kept = []
    for number in range(24):
        scene = drawn_scene("test", (1,), number)
        clip = drawn_clip(scene, number)[0].numpy()
        damaged = damage_frames("noise", 8.0, damage_frames("blur", 1.0, clip, keyed_rng(0)), keyed_rng(number))
        texts = encoder.embed_text([caption(drawn_scene("test", (1,), other)) for other in range(24)])
        videos = torch.stack([torch.from_numpy(clip), torch.from_numpy(damaged)])
        before, after = (texts @ encoder.embed_video(videos).T).T.argmax(dim=1)
        kept.append(bool(before == after))
    assert sum(kept) >= 20


@pytest.fixture(scope="module")
def distances(encoder):
    return distance_table(encoder, 128).set_index(["kind", "strength"])


@pytest.mark.parametrize("kind", ["blur", "noise", "flicker", "jitter"])
def test_the_strongest_damage_is_the_farthest(distances, kind):
    """Few clips have a distance by themselves, beside which slight damage is lost."""
    values = distances.loc[kind]["distance"].tolist()
    assert values[-1] == max(values)
    assert values[-1] > 1.05 * distances.loc["real", 0.0]["distance"]


@pytest.mark.parametrize("kind", ["frozen", "shuffle", "red and blue swapped", "all red", "all circles", "all still"])
def test_distance_sees_what_is_wrong(distances, kind):
    assert distances.loc[kind, 1.0]["distance"] > 1.1 * distances.loc["real", 0.0]["distance"]


def test_distance_of_a_set_from_itself_is_zero(encoder):
    clips = torch.cat([drawn_clip(drawn_scene("test", (1,), number), number) for number in range(8)])
    features = encoder.features(clips)
    assert float(frechet_distance(features, features)) == pytest.approx(0.0, abs=1e-6)
