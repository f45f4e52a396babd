"""The shipped `shapes` backbone as a prompt tower: English and Chinese, and the moving-shapes world alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.backbones.shapes import ShapesEncoder, load, weights_hash
from metrics.backbones.shapes_tokenizer import split_text
from metrics.backbones.shapes_video import FRAMES, POLICY, frames_seen
from metrics.errors import UndefinedScoreError


class ShapesTower:
    """See `metrics.backbones.shapes`. Making the object loads nothing."""

    name = "shapes"
    policy = POLICY
    frames_at_once = FRAMES

    def __init__(self) -> None:
        self._texts: dict[str, Tensor] = {}

    @property
    def weights_hash(self) -> str:
        """Start of the sha256 of the weights."""
        return weights_hash()

    @cached_property
    def encoder(self) -> ShapesEncoder:
        """Both networks, loaded when they are first needed."""
        return load()

    def embed_clip(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float64[Tensor, "1 d"]:
        """See `PromptTower`; one vector for the clip."""
        return self.encoder.to(frames.device).embed_video(frames[None]).double().cpu()

    def frames_seen(self, frames: int) -> Sequence[int]:
        """See `PromptTower`."""
        return frames_seen(frames)

    def embed_text(self, text: str) -> Float64[Tensor, " d"]:
        """See `PromptTower`."""
        if text not in self._texts:
            self._texts[text] = self.encoder.embed_text([text])[0].double().cpu()
        return self._texts[text]

    def tokens_cut(self, text: str) -> int:
        """See `PromptTower`; tokens are words, numbers and Chinese characters."""
        return max(0, len(split_text(text)) - self.encoder.tokenizer.length)

    def check_text(self, text: str) -> None:
        """See `PromptTower`; a word that never occurs in the world's captions means nothing to it."""
        (unknown,) = self.encoder.tokenize([text]).unknown
        if unknown:
            raise UndefinedScoreError(
                f"the shapes backbone knows the moving-shapes world only, and not {', '.join(map(repr, unknown[:5]))}",
                hint="use clip_score (English), chinese_clip_score or siglip_score for other prompts",
            )
