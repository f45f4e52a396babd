"""A folder in the released layout, as downloaded, on the command line: prompts in, the same videos out every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from released_layout import build_released_folder

from stepbench.canonical import sha256_file
from stepbench.video import probe, read_clip

SMALL = ["--set", "frames=17", "--set", "height=32", "--set", "width=16", "--set", "steps=2"]
PROMPTS = {"english": "a small red circle moves left/right", "chinese": "一个大蓝的方向右移动"}


@pytest.fixture(scope="module")
def released_folder(tmp_path_factory) -> Path:
    return build_released_folder(tmp_path_factory.mktemp("models") / "stepvideo-t2v")


@pytest.fixture
def generate(stepbench, released_folder):
    def make(name, prompt, *more):
        ended = stepbench(
            "generate", prompt, "-M", f"step-video:{released_folder}", "-o", name, *SMALL, "--json", *more
        )
        assert ended.code == 0, ended.err
        return ended.records()[0]

    return make


def test_english_and_chinese_prompts_become_videos_that_depend_on_prompt_and_seed_alone(generate):
    names = {}
    for language, prompt in PROMPTS.items():
        for attempt in ("first", "again"):
            facts = generate(f"{language}-{attempt}.mp4", prompt, "--seed", "3")
            assert [facts[name] for name in ("frames", "height", "width", "fps")] == [17, 32, 16, 25.0]
            assert (facts["settings"]["guidance"], facts["settings"]["time_shift"]) == (9.0, 13.0)
        names[language] = sha256_file(Path(f"{language}-first.mp4"))
        assert sha256_file(Path(f"{language}-again.mp4")) == names[language]
        info = probe(Path(f"{language}-first.mp4"))
        assert (info.codec, info.frames, info.height, info.width) == ("h264", 17, 32, 16)
    generate("seed.mp4", PROMPTS["english"], "--seed", "4")
    assert len({*names.values(), sha256_file(Path("seed.mp4"))}) == 3


def test_the_pixels_are_those_of_the_pipeline(generate, released_folder):
    from reference_model.checkpoint import load_pipeline

    generate("clip.mkv", PROMPTS["chinese"], "--seed", "1")
    options = {"num_frames": 17, "height": 32, "width": 16, "num_steps": 2}
    (video,) = load_pipeline(released_folder)(PROMPTS["chinese"], seeds=1, **options)
    np.testing.assert_array_equal(read_clip(Path("clip.mkv")).frames, video.frames.numpy())
