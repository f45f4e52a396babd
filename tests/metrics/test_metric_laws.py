"""Every built-in metric obeys every law in `laws.py`."""

from __future__ import annotations

import clips
import pytest
from laws import LAWS, Ladder, Subject

from metrics import METRICS
from metrics.registry import BUILT_IN

noise = Ladder(corrupt=clips.with_noise, amounts=(2, 5, 10, 20, 40), rises=True)
blur = Ladder(corrupt=clips.blurred, amounts=(0, 1, 2, 4), rises=True)
brightness = Ladder(corrupt=clips.with_brightness_flicker, amounts=(0, 0.02, 0.05, 0.2), rises=True)
drift = Ladder(corrupt=clips.drifting_colour, amounts=(0, 20, 60, 120), rises=True)
speed = Ladder(corrupt=clips.sped_up, amounts=(0, 0.5, 1, 2, 4), rises=True)


def falling(ladder: Ladder) -> Ladder:
    return Ladder(corrupt=ladder.corrupt, amounts=ladder.amounts, rises=False)


def from_one(ladder: Ladder) -> Ladder:
    """Without the first step, where a reference metric is at its cap or equal to the clean clip."""
    return Ladder(corrupt=ladder.corrupt, amounts=ladder.amounts[1:], rises=ladder.rises)


mirror = (clips.mirrored, 1e-6)
channels = (clips.swapped_channels, 1e-6)
backwards = (clips.reversed_in_time, 1e-9)
any_order = (clips.shuffled, 1e-9)

SUBJECTS = (
    Subject(
        name="psnr",
        ideal=clips.moving(),
        ideal_value=100.0,
        symmetric=True,
        ladders={"noise": falling(noise), "blur": falling(from_one(blur)), "brightness": falling(from_one(brightness))},
        ignores={"mirror": mirror, "channels": channels, "frame order": any_order},
    ),
    Subject(
        name="ssim",
        ideal=clips.moving(),
        ideal_value=1.0,
        symmetric=True,
        ladders={"noise": falling(noise), "blur": falling(blur)},
        ignores={"mirror": mirror, "channels": channels, "frame order": any_order},
    ),
    Subject(
        name="lpips",
        ideal=clips.moving(),
        ideal_value=0.0,
        symmetric=True,
        ladders={"noise": noise, "blur": blur},
        ignores={"frame order": (clips.shuffled, 1e-5)},
    ),
    Subject(
        name="flicker",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"noise": noise, "brightness": brightness, "speed": speed, "blur, the loophole": falling(blur)},
        ignores={"mirror": mirror, "channels": channels, "direction of time": backwards},
    ),
    Subject(
        name="sharpness",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"blur": falling(blur), "noise, the loophole": noise},
        ignores={"mirror": mirror, "frame order": any_order},
    ),
    Subject(
        name="motion_magnitude",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"speed": speed},
        ignores={"mirror": (clips.mirrored, 0.05), "direction of time": (clips.reversed_in_time, 0.05)},
    ),
    Subject(
        name="warping_error",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"noise": noise, "brightness": brightness},
        ignores={"mirror": (clips.mirrored, 0.05)},
    ),
    Subject(
        name="frame_consistency",
        ideal=clips.still(),
        ideal_value=1.0,
        ladders={"speed": falling(speed), "colour drift": falling(drift)},
        ignores={"mirror": mirror, "channels": channels, "noise": (lambda clip: clips.with_noise(clip, 8), 0.01)},
    ),
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_law(subject: Subject, law):
    law(subject)


def test_every_built_in_metric_is_a_subject():
    assert {subject.name for subject in SUBJECTS} == set(BUILT_IN) <= set(METRICS)
