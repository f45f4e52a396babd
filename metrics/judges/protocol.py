"""What a judge must offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import UInt8
from torch import Tensor


@dataclass(frozen=True)
class Answer:
    """What a judge says to a question that is answered with yes or no.

    Attributes:
        yes: Probability of yes, given that the answer is yes or no.
        mass: Probability that the answer is yes or no at all.
    """

    yes: float
    mass: float


class Judge(Protocol):
    """Answers questions about clips, each by itself and without chance: the same input always has the same answer.

    One with a method `frames_seen(frames)`, which frames of a clip of so many count, is given these alone.
    """

    @property
    def name(self) -> str:
        """What the weights are called, with their revision where it is known."""
        ...

    @property
    def weights_hash(self) -> str:
        """Start of the sha256 of the files that can change an answer."""
        ...

    @property
    def policy(self) -> str:
        """Which frames are seen, and how they are asked about; for metric ids."""
        ...

    def answer(self, frames: UInt8[Tensor, "t 3 h w"], question: str) -> Answer:
        """The answer to one question about one clip.

        Raises:
            UndefinedScoreError: The question cannot be put to this judge.
            UnavailableMetricError: The weights cannot be used.
        """
        ...
