"""Questions with known answers about clips that are drawn here: who fails them is not asked anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from metrics.judges.protocol import Judge

SIDE, FRAMES = 224, 8
LEAST_MASS = 0.1
"""Who gives yes and no less than this probability together does not answer the question."""

_COLOURS = {"red": (220, 30, 30), "green": (30, 170, 50), "blue": (30, 60, 220), "yellow": (235, 215, 40)}


@dataclass(frozen=True, eq=False)
class Canary:
    """A clip, a question about it, and whether the answer is yes."""

    frames: UInt8[Tensor, "t 3 h w"]
    question: str
    yes: bool


@dataclass(frozen=True)
class CanaryReport:
    """How a judge did.

    Attributes:
        asked: How many questions.
        wrong: Those that were answered wrongly or not at all.
    """

    asked: int
    wrong: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return 1 - len(self.wrong) / self.asked


def drawn_canaries() -> tuple[Canary, ...]:
    """A moving square or disc of one colour on white or black; as many questions with yes as with no.

    Only colour, shape and background are asked: a judge that is of any use for prompts cannot miss these. Whoever
    always says the same is right on half of them.
    """
    red_square = _moving("red", disc=False, background=255)
    blue_disc = _moving("blue", disc=True, background=255)
    green_square = _moving("green", disc=False, background=0)
    yellow_disc = _moving("yellow", disc=True, background=0)
    asked = (
        (red_square, "Is there a red shape in this video?", True),
        (red_square, "Is there a blue shape in this video?", False),
        (blue_disc, "Is there a blue shape in this video?", True),
        (blue_disc, "Is there a yellow shape in this video?", False),
        (green_square, "Is the shape in this video a square?", True),
        (green_square, "Is the background of this video white?", False),
        (yellow_disc, "Is the background of this video black?", True),
        (yellow_disc, "Is the shape in this video a square?", False),
    )
    return tuple(Canary(frames, question, yes) for frames, question, yes in asked)


def ask_canaries(judge: Judge, canaries: Sequence[Canary]) -> CanaryReport:
    """Put every question to the judge. An answer is right if it takes the right side, and is an answer."""
    wrong = []
    for canary in canaries:
        given = judge.answer(canary.frames, canary.question)
        if given.mass < LEAST_MASS or (given.yes > 0.5) is not canary.yes or given.yes == 0.5:
            wrong.append(f"{canary.question} should be {'yes' if canary.yes else 'no'}, got {given.yes:.2f}")
    return CanaryReport(len(canaries), tuple(wrong))


def _moving(colour: str, *, disc: bool, background: int) -> UInt8[Tensor, "t 3 h w"]:
    """One shape, a third of the frame wide, that moves from left to right."""
    radius = SIDE // 6
    clip = torch.full((FRAMES, 3, SIDE, SIDE), background, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    for time, frame in enumerate(clip):
        dx = x - (SIDE // 4 + time * SIDE // (2 * (FRAMES - 1)))
        dy = y - SIDE // 2
        inside = dx**2 + dy**2 <= radius**2 if disc else (dx.abs() <= radius) & (dy.abs() <= radius)
        frame[:, inside] = torch.tensor(_COLOURS[colour], dtype=torch.uint8)[:, None]
    return clip
