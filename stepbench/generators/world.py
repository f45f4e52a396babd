"""`world:VARIANT`: a text-to-video model of the moving-shapes world, exact or wrong in a known way.

It sees the prompt's text alone, reads it with the world's grammar and draws what it says. Every variant starts from the
same randomness for the same text and seed, so a corrupted clip pairs with the exact one.
"""

from __future__ import annotations

import difflib
import math
import re
import time
from typing import Any

from stepbench.errors import Refused, UsageError
from stepbench.generators.protocol import Clip
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import GeneratorCard, Prompt, Request, Settings
from stepbench.worlds.moving_shapes.captions import CaptionError, parse_caption
from stepbench.worlds.moving_shapes.corruptions import FRAME_DAMAGES, SCENE_CHANGES, change_scene, damage_frames
from stepbench.worlds.moving_shapes.render import MIN_SIDE, render, scene_rng
from stepbench.worlds.moving_shapes.scene import WORLD_VERSION
from stepbench.worlds.moving_shapes.seeding import keyed_rng

VARIANTS = {
    "exact": "draws exactly what the caption says",
    "blur": "gaussian blur; blurN sets sigma in pixels at 64 pixels of the shorter side (default 2)",
    "noise": "gaussian pixel noise; noiseN sets sigma in 8-bit levels (default 10)",
    "flicker": "brightness up and down in turn; flickerN sets percent of full scale (default 10)",
    "jitter": "the picture shakes; jitterN sets sigma in pixels at 64 pixels of the shorter side (default 1)",
    "frozen": "the first frame throughout",
    "dropped": "freezes in the middle of the clip",
    "reverse": "frames in reverse order",
    "shuffle": "frames in random order",
    "wrong-colour": "every object in another colour",
    "wrong-shape": "every object with another shape",
    "wrong-direction": "objects, or the camera where it moves, go another way",
    "wrong-prompt": "another scene of the same level",
}
"""Variant -> one line for people. Those with `N` take a number right after the name, such as `blur0.5`."""

_DEFAULT_STRENGTH = {"blur": 2.0, "noise": 10.0, "flicker": 10.0, "jitter": 1.0}
_MAX_STRENGTH = {"blur": 64.0, "noise": 255.0, "flicker": 100.0, "jitter": 64.0}
_DEFAULTS = {"frames": 17, "height": 64, "width": 64, "fps": 8, "negative_prompt": ""}
_RANGES = {"frames": (1, 1000), "height": (MIN_SIDE, 2048), "width": (MIN_SIDE, 2048)}
_MAX_FPS = 240


class WorldGenerator:
    """Draws captions of the moving-shapes world; see `VARIANTS`.

    Args:
        kind: A key of `VARIANTS`.
        strength: The number behind it; ignored where the variant takes none.
    """

    def __init__(self, kind: str, strength: float = 0.0) -> None:
        self._kind, self._strength = kind, strength
        self.card = GeneratorCard(
            name=f"world:{kind}{strength:g}" if kind in _DEFAULT_STRENGTH else f"world:{kind}",
            revision=WORLD_VERSION,
            licence="Apache-2.0",
            description=f"procedural clips of the moving-shapes world: {VARIANTS[kind]}",
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """Settings with defaults filled in; a negative prompt is taken and has no effect.

        Raises:
            UsageError: An unknown setting, or a value outside its range.
        """
        refuse_unknown_settings(self.card.name, settings, _DEFAULTS)
        resolved = {**_DEFAULTS, **settings}
        for name, (low, high) in _RANGES.items():
            value = resolved[name]
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise UsageError(f"{self.card.name}: {name} must be a whole number from {low} to {high}, got {value!r}")
        fps = resolved["fps"]
        if not isinstance(fps, int | float) or isinstance(fps, bool) or not 0 < fps <= _MAX_FPS:
            raise UsageError(f"{self.card.name}: fps must be above 0 and at most {_MAX_FPS}, got {fps!r}")
        if not isinstance(resolved["negative_prompt"], str):
            raise UsageError(f"{self.card.name}: negative_prompt must be text, got {resolved['negative_prompt']!r}")
        return resolved

    def generate(self, request: Request) -> Clip:
        """Draw the caption.

        Raises:
            Refused: The text is no caption of the world; the reason names what was not understood.
        """
        started = time.perf_counter()
        try:
            scene = parse_caption(request.text)
        except CaptionError as error:
            raise Refused(str(error)) from error
        rng = keyed_rng("corruption", request.text, request.seed, self._kind)
        shown = change_scene(self._kind, scene, rng) if self._kind in SCENE_CHANGES else scene
        size = {name: request.settings[name] for name in ("frames", "height", "width")}
        frames = render(shown, request.seed, **size, rng=scene_rng(scene, request.seed))
        if self._kind in FRAME_DAMAGES:
            frames = damage_frames(self._kind, self._strength, frames, rng)
        seconds = {"render": time.perf_counter() - started}
        return Clip(frames=frames, fps=float(request.settings["fps"]), seconds=seconds)


def world_generator(variant: str) -> WorldGenerator:
    """Factory of the `world` family.

    Args:
        variant: A key of `VARIANTS`, with a number behind it where the variant takes one: `exact`, `blur0.5`.

    Raises:
        UsageError: No such variant, or a strength that is out of range or not taken.
    """
    match = re.fullmatch(r"([a-z-]*?)(\d+(?:\.\d+)?)?", variant)
    kind, strength = match.groups() if match else (variant, None)
    if kind not in VARIANTS:
        close = difflib.get_close_matches(kind, VARIANTS, n=3) or VARIANTS
        raise UsageError(f"there is no generator world:{variant}", hint=f"write world: and one of {', '.join(close)}")
    if kind not in _DEFAULT_STRENGTH:
        if strength is not None:
            raise UsageError(f"world:{kind} takes no number, got world:{variant}", hint=f"write world:{kind}")
        return WorldGenerator(kind)
    amount = _DEFAULT_STRENGTH[kind] if strength is None else float(strength)
    if not math.isfinite(amount) or amount > _MAX_STRENGTH[kind]:
        raise UsageError(f"world:{kind} takes a number from 0 to {_MAX_STRENGTH[kind]:g}, got {strength}")
    return WorldGenerator(kind, amount)
