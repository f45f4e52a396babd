"""The trained model in the package: it is small, and it does what captions say."""

from __future__ import annotations

import numpy as np
import pytest

from reference_model.errors import CheckpointError
from reference_model.packaged import packaged_folder
from stepbench.generators.registry import make_generator
from stepbench.records import Request
from stepbench.suites import load_suite
from stepbench.worlds.moving_shapes.checker import check_clip

SCENES = 3


def test_packaged_weights_stay_small():
    files = [file for file in packaged_folder("tiny").parent.rglob("*") if file.is_file()]
    assert 1e6 < sum(file.stat().st_size for file in files) < 60e6


def test_there_is_no_other_packaged_model():
    with pytest.raises(CheckpointError, match="no packaged model 'huge'"):
        packaged_folder("huge")


def test_held_out_captions_are_obeyed_in_both_languages(tmp_path):
    generator = make_generator("step-video:tiny")
    prompts = [prompt for prompt in load_suite("moving-shapes").prompts if prompt.split == "test"][: 2 * SCENES]
    assert [prompt.language for prompt in prompts] == ["en", "zh"] * SCENES
    answers = []
    for prompt in prompts:
        settings = generator.resolve(prompt, 0, {})
        clip = generator.generate(
            Request(prompt_id=prompt.id, text=prompt.text, seed=0, settings=settings, output_dir=tmp_path)
        )
        frames = np.concatenate(list(clip.frames))
        assert prompt.ground_truth is not None
        answers += check_clip(frames, prompt.ground_truth).values()
    # Chance is below 0.4; the model's mean over the whole split is above 0.9.
    assert np.mean(answers) > 0.75
