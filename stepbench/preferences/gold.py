"""Pairs with a known answer: a clip beside itself damaged, or beside a clip of another prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stepbench.preferences.clips import ClipFolder, ShownClip
from stepbench.preferences.pair_table import neutral_id
from stepbench.preferences.records import Kind, Pair

if TYPE_CHECKING:
    from stepbench.video import VideoClip

DAMAGES = ("shuffled", "low-bitrate", "wrong-prompt", "noise")
"""Tried by turns, so that a study tests for each; one that nobody could see on a clip gives way to the next."""
VISIBLE = 4.0
"""Mean difference in levels of 255 below which a damage does not count as visible."""
LOW_BITRATE = 51
NOISE = 45.0


def known_answers(
    samples: Sequence[dict[str, Any]], count: int, kind: Kind, clips: ClipFolder, rng: np.random.Generator
) -> Iterator[Pair]:
    """Up to so many pairs in which the undamaged clip must win; fewer where no damage would be seen.

    Args:
        samples: Rows of clips that were made, with `file`, `model`, `run` and the sample's facts.
        count: How many pairs.
        kind: "gold" or "calibration".
        clips: Gets the clips.
        rng: Chooses clips, damages and which of the two comes first.
    """
    made = 0
    for number in rng.permutation(len(samples)):
        if made == count:
            return
        sample = samples[number]
        pair = _pair(sample, samples, kind, made, clips, rng)
        if pair is not None:
            made += 1
            yield pair


def _pair(
    sample: dict[str, Any],
    samples: Sequence[dict[str, Any]],
    kind: Kind,
    number: int,
    clips: ClipFolder,
    rng: np.random.Generator,
) -> Pair | None:
    from stepbench.video import read_clip

    clip = read_clip(sample["file"])
    for turn in range(len(DAMAGES)):
        damage = DAMAGES[(number + turn) % len(DAMAGES)]
        if damage == "wrong-prompt":
            other = _other_prompt(sample, samples, rng)
            worse = clips.publish(other["file"]) if other else None
        else:
            worse = _damaged(clip, damage, clips, rng)
        if worse is not None:
            return _known(sample, clips.publish(sample["file"]), worse, damage, kind, rng)
    return None


def _known(
    sample: dict[str, Any], good: ShownClip, worse: ShownClip, damage: str, kind: Kind, rng: np.random.Generator
) -> Pair:
    expected = "1" if rng.random() < 0.5 else "2"
    facts: dict[str, Any] = {}
    for number in ("1", "2"):
        shown = good if number == expected else worse
        facts |= {
            f"model_{number}": sample["model"],
            f"run_{number}": sample["run"],
            f"seed_{number}": int(sample["seed"]),
            f"clip_{number}": shown.name,
            f"frames_{number}": shown.frames,
            f"fps_{number}": shown.fps,
        }
    return Pair(
        pair_id=neutral_id(kind, sample["sample_key"], damage, worse.name),
        kind=kind,
        prompt_id=sample["prompt_id"],
        text=sample["text"],
        language=sample["language"],
        category=sample["category"],
        pair_group=sample["pair_id"],
        expected=expected,
        note=damage,
        **facts,
    )


def _other_prompt(
    sample: dict[str, Any], samples: Sequence[dict[str, Any]], rng: np.random.Generator
) -> dict[str, Any] | None:
    """A clip of the same model for another prompt that is no translation; of another category where there is one."""
    others = [
        one
        for one in samples
        if one["run"] == sample["run"]
        and one["prompt_id"] != sample["prompt_id"]
        and (one["pair_id"] is None or one["pair_id"] != sample["pair_id"])
    ]
    apart = [one for one in others if one["category"] != sample["category"]] or others
    return apart[int(rng.integers(len(apart)))] if apart else None


def _damaged(clip: VideoClip, damage: str, clips: ClipFolder, rng: np.random.Generator) -> ShownClip | None:
    from stepbench.video.h264 import H264Options, decode_h264, encode_h264
    from stepbench.worlds.moving_shapes.corruptions import damage_frames

    if damage == "low-bitrate":
        frames = decode_h264(encode_h264(clip.frames, clip.fps, H264Options(crf=LOW_BITRATE)))
    else:
        kind, strength = {"shuffled": ("shuffle", 1.0), "noise": ("noise", NOISE)}[damage]
        frames = damage_frames(kind, strength, clip.frames, rng)
    difference = np.abs(frames.astype(np.int16) - clip.frames).mean()
    return clips.write([frames], clip.fps) if difference >= VISIBLE else None
