"""Every metric that needs no weights and no prompt, with what is true of it: whom the laws in `laws.py` are for."""

from __future__ import annotations

import clips
from laws import Ladder, Subject
from torch import Tensor

noise = Ladder(corrupt=clips.with_noise, amounts=(2, 5, 10, 20, 40), rises=True)
strong_noise = Ladder(corrupt=clips.with_noise, amounts=(10, 20, 40), rises=True)
blur = Ladder(corrupt=clips.blurred, amounts=(0, 1, 2, 4), rises=True)
brightness = Ladder(corrupt=clips.with_brightness_flicker, amounts=(0, 0.02, 0.05, 0.2), rises=True)
faint_brightness = Ladder(corrupt=clips.with_brightness_flicker, amounts=(0, 0.005, 0.01, 0.02), rises=True)
drift = Ladder(corrupt=clips.drifting_colour, amounts=(0, 20, 60, 120), rises=True)
speed = Ladder(corrupt=clips.sped_up, amounts=(0, 0.5, 1, 2, 4), rises=True)
fast = Ladder(corrupt=clips.sped_up, amounts=(0, 1, 2, 4), rises=True)
start_and_speed = Ladder(corrupt=clips.sped_up, amounts=(0, 4), rises=True)
jitter = Ladder(corrupt=clips.jittered, amounts=(0, 0.3, 1, 3), rises=True)
compression = Ladder(corrupt=clips.compressed, amounts=(10, 40, 70, 90, 97), rises=True)
freezing = Ladder(corrupt=clips.held, amounts=(0, 1, 2, 3, 4, 5), rises=True)
cuts = Ladder(corrupt=clips.cut_into_scenes, amounts=(0, 1, 2, 3), rises=True)
bars = Ladder(corrupt=clips.letterboxed, amounts=(0, 1, 4, 12), rises=True)
light = Ladder(corrupt=clips.brightened, amounts=(-80, -20, 0, 20, 80), rises=True)
gain = Ladder(corrupt=clips.with_gain, amounts=(0.1, 0.5, 1, 2, 4), rises=True)
greying = Ladder(corrupt=clips.greyed, amounts=(0, 0.3, 0.7, 1), rises=True)


def falling(ladder: Ladder) -> Ladder:
    return Ladder(corrupt=ladder.corrupt, amounts=ladder.amounts, rises=False)


def from_one(ladder: Ladder) -> Ladder:
    """Without the first step, where a reference metric is at its cap or equal to the clean clip."""
    return Ladder(corrupt=ladder.corrupt, amounts=ladder.amounts[1:], rises=ladder.rises)


mirror = (clips.mirrored, 1e-6)
channels = (clips.swapped_channels, 1e-6)
backwards = (clips.reversed_in_time, 1e-9)
any_order = (clips.shuffled, 1e-9)
all_but_order = {"mirror": mirror, "channels": channels, "direction of time": backwards}
PER_FRAME = {"mirror": mirror, "frame order": any_order}


def large(seed: int) -> Tensor:
    return clips.example(seed, frames=3, side=176)


def stopping(seed: int) -> Tensor:
    """Moves, and stands still for some of its frames at the start."""
    return clips.held(clips.example(seed), seed % 3)


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
        name="ms_ssim",
        ideal=large(0),
        ideal_value=1.0,
        symmetric=True,
        ladders={"noise": falling(noise), "blur": falling(blur), "jitter": falling(jitter)},
        ignores={"mirror": mirror, "channels": channels, "frame order": any_order},
        example=large,
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
        ignores=all_but_order,
    ),
    Subject(
        name="vbench_flicker",
        ideal=clips.still(),
        ideal_value=1.0,
        ladders={"brightness": falling(faint_brightness)},
        ignores=all_but_order,
        example=clips.still,
        disturb=clips.with_pulses,
    ),
    Subject(
        name="luma_flicker",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"brightness": brightness, "jitter of the window": jitter},
        ignores={"mirror": mirror, "direction of time": backwards},
    ),
    Subject(
        name="interpolation_smoothness",
        ideal=clips.still(),
        ideal_value=1.0,
        ladders={
            "noise": falling(noise),
            "brightness": falling(brightness),
            "jitter": falling(jitter),
            "speed": falling(speed),
            "blur, the loophole": blur,
        },
        ignores=all_but_order,
    ),
    Subject(
        name="duplicate_ratio",
        ideal=clips.moving(),
        ideal_value=0.0,
        ladders={"freezing": freezing},
        ignores=all_but_order,
        example=stopping,
        clean=clips.example(1),
        disturb=clips.brightened,
    ),
    Subject(
        name="freeze_length",
        ideal=clips.moving(),
        ideal_value=0.0,
        ladders={"freezing": freezing},
        ignores=all_but_order,
        example=stopping,
        clean=clips.example(1),
        disturb=clips.brightened,
    ),
    Subject(
        name="scene_cuts",
        ideal=clips.moving(),
        ideal_value=0.0,
        ladders={"cuts": cuts},
        ignores={**all_but_order, "noise": (lambda clip: clips.with_noise(clip, 8), 0)},
        example=lambda seed: clips.cut_into_scenes(clips.example(seed), seed % 3),
        clean=clips.example(1),
    ),
    Subject(
        name="motion_magnitude",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"speed": speed},
        ignores={"mirror": (clips.mirrored, 0.05), "direction of time": (clips.reversed_in_time, 0.05)},
    ),
    Subject(
        name="dynamic_degree",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"speed": start_and_speed},
        ignores={"mirror": mirror, "direction of time": backwards},
    ),
    Subject(
        name="warping_error",
        ideal=clips.still(),
        ideal_value=0.0,
        ladders={"noise": noise, "brightness": brightness},
        ignores={"mirror": (clips.mirrored, 0.05)},
    ),
    Subject(
        name="warping_ok_share",
        ideal=clips.still(),
        ideal_value=1.0,
        ladders={"speed": falling(fast), "noise": falling(strong_noise)},
        ignores={"mirror": (clips.mirrored, 0.05)},
    ),
    Subject(
        name="frame_consistency",
        ideal=clips.still(),
        ideal_value=1.0,
        ladders={"speed": falling(speed), "colour drift": falling(drift)},
        ignores={"mirror": mirror, "channels": channels, "noise": (lambda clip: clips.with_noise(clip, 8), 0.01)},
    ),
    Subject(
        name="sharpness",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"blur": falling(blur), "noise, the loophole": noise},
        ignores=PER_FRAME,
    ),
    Subject(
        name="noise_level",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"noise": noise},
        ignores=PER_FRAME,
    ),
    Subject(
        name="blockiness",
        ideal=clips.flat(90),
        ideal_value=1.0,
        ladders={"compression": compression},
        ignores=PER_FRAME,
    ),
    Subject(
        name="exposure",
        ideal=clips.flat(51),
        ideal_value=0.2,
        ladders={"light": light},
        ignores={**PER_FRAME, "noise": (lambda clip: clips.with_noise(clip, 5), 0.01)},
    ),
    Subject(
        name="contrast",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"gain": gain, "blur": falling(blur)},
        ignores=PER_FRAME,
    ),
    Subject(
        name="clipping",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"gain": Ladder(corrupt=clips.with_gain, amounts=(1, 4, 8, 16), rises=True), "bars": bars},
        ignores=PER_FRAME,
    ),
    Subject(
        name="saturation",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"greying": falling(greying)},
        ignores={**PER_FRAME, "channels": channels},
    ),
    Subject(
        name="colourfulness",
        ideal=clips.flat(90),
        ideal_value=0.0,
        ladders={"greying": falling(greying)},
        ignores=PER_FRAME,
    ),
    Subject(
        name="black_borders",
        ideal=clips.moving(),
        ideal_value=0.0,
        ladders={"bars": bars},
        ignores={**PER_FRAME, "noise": (lambda clip: clips.with_noise(clip, 1), 0)},
        example=lambda seed: clips.letterboxed(clips.example(seed), 2 * seed),
        clean=clips.example(1),
        disturb=lambda clip, levels: clips.letterboxed(clip, 1 + levels),
    ),
)
