from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stepbench.errors import Refused, UsageError
from stepbench.generators.protocol import Generator
from stepbench.generators.registry import make_generator
from stepbench.generators.world import VARIANTS, world_generator
from stepbench.records import Prompt, Request
from stepbench.worlds.moving_shapes import Scene, ShapeGroup, caption, check_clip, render, sample_scene
from stepbench.worlds.moving_shapes.corruptions import SCENE_CHANGES, change_scene

FAST = ShapeGroup(shape="triangle", colour="green", size="medium", direction="right", speed="fast")
ONE = Scene(objects=(FAST,), background="grey")


def generate(variant, scene=ONE, seed=0, language="en", **settings):
    generator = world_generator(variant)
    text = caption(scene, language)
    prompt = Prompt(id="p", text=text, language=language, category="c")
    resolved = generator.resolve(prompt, seed, settings)
    request = Request(prompt_id="p", text=text, seed=seed, settings=resolved, output_dir=Path("."))
    return generator.generate(request)


def wrong(variant, scene=ONE, seed=0):
    return {name for name, right in check_clip(generate(variant, scene, seed).frames, scene).items() if not right}


def test_exact_draws_the_caption_in_both_languages():
    english, chinese = generate("exact"), generate("exact", language="zh")
    assert english.fps == 8.0
    assert english.frames.shape == (17, 3, 64, 64)
    assert (english.frames == render(ONE, 0)).all()
    assert (english.frames == chinese.frames).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_repeats_itself_and_keeps_the_shape(variant):
    first, second = (generate(variant, seed=3, frames=6, height=48, width=64, fps=4) for _ in range(2))
    assert first.frames.shape == (6, 3, 48, 64)
    assert first.frames.dtype == np.uint8
    assert first.fps == 4.0
    assert (first.frames == second.frames).all()
    assert generate(variant, frames=1).frames.shape == (1, 3, 64, 64)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "exact"])
def test_every_corruption_changes_the_clip(variant):
    assert (generate(variant).frames != generate("exact").frames).any()


@pytest.mark.parametrize(
    ("variant", "failing"),
    [
        ("exact", set()),
        ("wrong-colour", {"colour"}),
        ("wrong-shape", {"shape"}),
        ("wrong-direction", {"direction"}),
        ("frozen", {"direction", "speed"}),
        ("shuffle", {"direction", "speed"}),
        ("reverse", {"direction"}),
        ("dropped", {"speed"}),
        ("blur", set()),
        ("noise", set()),
        ("flicker", set()),
        ("jitter", set()),
    ],
)
def test_corruptions_break_exactly_what_they_say(variant, failing):
    for seed in range(2):
        assert wrong(variant, seed=seed) == failing


@pytest.mark.parametrize("kind", ["two-objects", "relation", "camera", "counting"])
def test_wrong_facts_in_scenes_of_level_two(kind):
    rng = np.random.default_rng(3)
    for seed in range(3):
        scene = sample_scene(2, rng, kind=kind)
        assert wrong("wrong-colour", scene, seed) == {"colour"}
        assert wrong("wrong-shape", scene, seed) == {"shape"}
        broken = wrong("wrong-direction", scene, seed)
        assert broken == {"camera"} if scene.camera != "static" else "direction" in broken


@pytest.mark.parametrize("kind", SCENE_CHANGES)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_changed_scenes_differ_and_obey_the_world(kind, level):
    rng = np.random.default_rng(level)
    for _ in range(40):
        scene = sample_scene(level, rng)
        changed = change_scene(kind, scene, rng)
        assert changed != scene
        assert changed.level == scene.level


def test_wrong_prompt_shows_another_scene():
    failing = [len(wrong("wrong-prompt", seed=seed)) for seed in range(6)]
    assert np.mean(failing) > 3


def test_corruptions_pair_with_the_exact_clip():
    exact, other = generate("exact").frames, generate("wrong-colour").frames
    coloured = [clip.max(axis=1).astype(int) - clip.min(axis=1) > 60 for clip in (exact, other)]
    # Same start and path, so the same pixels are covered; only edges may fall to the other side of the threshold.
    assert (coloured[0] ^ coloured[1]).sum() < 0.15 * coloured[0].sum()
    assert (generate("reverse").frames == exact[::-1]).all()
    assert (generate("frozen").frames == exact[:1]).all()
    assert (generate("dropped").frames[8:] == exact[8]).all()
    assert (generate("dropped").frames[:9] == exact[:9]).all()
    shuffled = generate("shuffle").frames
    assert sorted(frame.tobytes() for frame in shuffled) == sorted(frame.tobytes() for frame in exact)


@pytest.mark.parametrize("kind", ["blur", "noise", "flicker", "jitter"])
def test_strength_is_graded(kind):
    exact = generate("exact").frames.astype(float)
    errors = [np.abs(generate(f"{kind}{amount}").frames - exact).mean() for amount in ("0", "0.5", "1", "3")]
    assert errors[0] == 0.0
    assert errors[1] < errors[2] < errors[3]


def test_lengths_scale_with_the_frame():
    small, large = generate("blur2"), generate("blur2", height=128, width=128)

    def spread(clip):
        column = clip.frames[0].astype(float).max(axis=0) - clip.frames[0].min(axis=0)
        return (np.abs(np.diff(column, axis=1)) > 6).sum() / column.shape[0]

    assert spread(large) == pytest.approx(2 * spread(small), rel=0.35)


def test_flicker_has_the_amplitude_it_says():
    gaps = generate("flicker8").frames.astype(float) - generate("exact").frames
    means = np.median(gaps, axis=(1, 2, 3))
    np.testing.assert_allclose(np.abs(means), 0.08 * 255, atol=1)
    assert (np.sign(means[1:]) == -np.sign(means[:-1])).all()


def test_noise_has_the_sigma_it_says():
    gaps = generate("noise12").frames.astype(float) - generate("exact").frames
    assert gaps.std() == pytest.approx(12, rel=0.03)


def test_a_text_outside_the_grammar_is_refused():
    generator = world_generator("exact")
    settings = generator.resolve(Prompt(id="p", text="x", language="en", category="c"), 0, {})
    request = Request(prompt_id="p", text="A corgi surfs.", seed=0, settings=settings, output_dir=Path("."))
    with pytest.raises(Refused, match="does not know 'corgi'"):
        generator.generate(request)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("blurry", "no generator world:blurry\n.*blur"),
        ("", "no generator world:\n.*exact"),
        ("BLUR 2", "no generator world:BLUR 2"),
        ("exact2", "world:exact takes no number, got world:exact2"),
        ("flicker101", "world:flicker takes a number from 0 to 100, got 101"),
    ],
)
def test_unknown_variants(variant, message):
    with pytest.raises(UsageError, match=message):
        world_generator(variant)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 30}, "has no setting 'steps'"),
        ({"frame": 3}, "did you mean frames"),
        ({"frames": 0}, "frames must be a whole number from 1 to 1000, got 0"),
        ({"height": 64.0}, "height must be a whole number .* got 64.0"),
        ({"width": True}, "width must be a whole number .* got True"),
        ({"width": 8}, "from 16 to 2048, got 8"),
        ({"fps": 0}, "fps must be above 0 and at most 240, got 0"),
        ({"fps": "8"}, "fps must be .* got '8'"),
        ({"negative_prompt": 3}, "negative_prompt must be text, got 3"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(UsageError, match=message):
        generate("exact", **settings)


def test_card_names_the_strength():
    assert isinstance(make_generator("world:blur"), Generator)
    assert make_generator("world:blur").card.name == "world:blur2"
    assert make_generator("world:noise7.5").card.name == "world:noise7.5"
    card = make_generator("world:frozen").card
    assert (card.name, card.licence, card.weights_hash) == ("world:frozen", "Apache-2.0", "")
