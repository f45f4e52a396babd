"""Built-in clips, and the same clips damaged in growing amounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from stepbench.video.h264 import H264Options, decode_h264, encode_h264
from stepbench.worlds.moving_shapes.captions import caption
from stepbench.worlds.moving_shapes.corruptions import change_scene, damage_frames
from stepbench.worlds.moving_shapes.lexicon import LANGUAGES
from stepbench.worlds.moving_shapes.render import render
from stepbench.worlds.moving_shapes.sampling import sample_scene
from stepbench.worlds.moving_shapes.scene import Scene
from stepbench.worlds.moving_shapes.seeding import keyed_rng

FRAMES, SIDE, FPS = 16, 176, 8.0
LEVELS = (1, 2, 3)

Frames = UInt8[np.ndarray, "t 3 h w"]

CORRUPTIONS: dict[str, tuple[float, ...]] = {
    "noise": (2, 5, 10, 20, 40),
    "blur": (0.5, 1, 2, 4),
    "compression": (20, 30, 40, 50),
    "flicker": (1, 2, 5, 10),
    "jitter": (0.3, 0.6, 1.2),
    "shuffle": (1,),
    "reverse": (1,),
    "frozen": (1,),
    "wrong-prompt": (1,),
}
"""Corruption -> its amounts, growing: noise and flicker in levels and percent of 255, blur and jitter in pixels of a
frame whose shorter side is 64, compression as the crf of H.264; those without an amount have 1."""


@dataclass(frozen=True, kw_only=True)
class BuiltInClip:
    """A clip of the moving-shapes world, and what it shows, or is said to show.

    Attributes:
        original: The clip as it was drawn, which stays the reference when `frames` are damaged.
    """

    number: int
    scene: Scene
    frames: Frames = field(repr=False)
    original: Frames = field(repr=False)

    @property
    def prompt(self) -> str:
        """Caption of the scene, in English and Chinese by turns."""
        return caption(self.scene, LANGUAGES[self.number % len(LANGUAGES)], template=0)


def built_in_clips(count: int) -> list[BuiltInClip]:
    """Scenes of all levels by turns, always the same ones."""
    return list(_drawn(count))


def damaged(clip: BuiltInClip, corruption: str, amount: float) -> BuiltInClip:
    """The clip with damaged frames; or, for `wrong-prompt`, the same frames said to show another scene."""
    rng = keyed_rng("validity", corruption, clip.number)
    if corruption == "wrong-prompt":
        return BuiltInClip(
            number=clip.number,
            scene=change_scene("wrong-prompt", clip.scene, rng),
            frames=clip.frames,
            original=clip.original,
        )
    if corruption == "compression":
        frames = decode_h264(encode_h264(clip.frames, FPS, H264Options(crf=amount)))
    else:
        frames = damage_frames(corruption, amount, clip.frames, rng)
    return BuiltInClip(number=clip.number, scene=clip.scene, frames=frames, original=clip.original)


def _drawn(count: int) -> Iterator[BuiltInClip]:
    for number in range(count):
        scene = sample_scene(LEVELS[number % len(LEVELS)], keyed_rng("validity", number))
        frames = render(scene, number, frames=FRAMES, height=SIDE, width=SIDE)
        yield BuiltInClip(number=number, scene=scene, frames=frames, original=frames)
