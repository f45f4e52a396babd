"""What a pair of networks must offer so that clips can be held against texts, and the pairs that there are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.backbones.published_model import PublishedModel, open_folder


class PromptTower(Protocol):
    """Clips and texts as unit vectors in one space. Nothing depends on what else is embedded."""

    @property
    def name(self) -> str:
        """What the weights are called."""
        ...

    @property
    def weights_hash(self) -> str:
        """Start of the sha256 of the files that can change a number."""
        ...

    @property
    def policy(self) -> str:
        """Which frames are seen at which size, for metric ids."""
        ...

    @property
    def frames_at_once(self) -> int:
        """How many frames go through the network together."""
        ...

    def embed_clip(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float64[Tensor, "seen d"]:
        """Unit vectors on the CPU, one per frame or one for all; computed on the device of `frames`.

        Raises:
            ClipError: Too few frames.
            UnavailableMetricError: The weights cannot be used.
        """
        ...

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Which frames of a clip of so many `embed_clip` looks at, in rising order; of these alone it looks at all."""
        ...

    def embed_text(self, text: str) -> Float64[Tensor, " d"]:
        """Unit vector on the CPU of a text that `check_text` lets pass, cut off at the network's limit.

        Raises:
            UnavailableMetricError: The weights cannot be used.
        """
        ...

    def tokens_cut(self, text: str) -> int:
        """How many tokens of a text lie beyond the limit and are not seen."""
        ...

    def check_text(self, text: str) -> None:
        """Refuse a text that the network cannot read.

        Raises:
            UndefinedScoreError: The hint names a metric that can.
        """
        ...


SHAPES = "shapes"
"""The tower that ships with the package."""


def find_tower(weights: str | Path) -> PromptTower:
    """The tower of these weights; the same object for as long as the files stay the same, so it is loaded once.

    Args:
        weights: `shapes`, a name in `metrics.weights.WEIGHTS`, or a folder of the same kind.

    Raises:
        UnavailableMetricError: The weights are not there, or of a kind that is not known here.
    """
    if weights == SHAPES:
        return _shapes()
    folder = open_folder(weights)
    return _tower(folder.name, folder.path, folder.path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _shapes() -> PromptTower:
    from metrics.backbones.shapes_tower import ShapesTower

    return ShapesTower()


@lru_cache(maxsize=8)
def _tower(name: str, path: Path, changed: int) -> PromptTower:
    from metrics.backbones.hub_towers import FrameTower, XClipTower

    folder = PublishedModel(path, name)
    return XClipTower(folder) if folder.config.get("model_type") == "xclip" else FrameTower(folder)
