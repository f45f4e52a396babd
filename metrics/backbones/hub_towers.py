"""Published image-text and video-text networks as prompt towers: CLIP, SigLIP, Chinese-CLIP and X-CLIP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float64, UInt8
from torch import Tensor

from metrics.backbones.arithmetic import fixed_arithmetic
from metrics.backbones.frame_recipe import FRAMES_AT_ONCE, frame_batches
from metrics.backbones.published_model import PublishedModel
from metrics.backbones.scripts import east_asian
from metrics.errors import UndefinedScoreError
from metrics.functional.checks import check_frames


@dataclass(frozen=True, kw_only=True)
class TextRule:
    """How a family of networks reads texts.

    Attributes:
        model: Name of its class in `transformers`.
        reads: `english` refuses texts with Chinese, Japanese or Korean characters, `chinese` refuses texts without.
        limit: Most tokens, where it is not the number of positions in the config.
        padded: Whether texts are filled up to the limit; such networks were trained that way and see the filling.
        lower: Whether texts are lower-cased first.
    """

    model: str
    reads: Literal["english", "chinese", "any"]
    limit: int | None = None
    padded: bool = False
    lower: bool = False


FAMILIES = {
    "clip": TextRule(model="CLIPModel", reads="english"),
    # The recipe of SigLIP 2 (Tschannen et al., 2025): 64 tokens, always filled up, of lower-cased text.
    "siglip": TextRule(model="SiglipModel", reads="any", padded=True, lower=True),
    # Chinese-CLIP (Yang et al., 2022) was trained on 52 tokens; its config has positions for 512.
    "chinese_clip": TextRule(model="ChineseCLIPModel", reads="chinese", limit=52),
    "xclip": TextRule(model="XCLIPModel", reads="english"),
}
"""By `model_type` in `config.json`."""

_WAY_OUT = {
    "english": "use siglip_score (many languages) or chinese_clip_score for it",
    "chinese": "use clip_score or siglip_score for it",
}


class _HubTower:
    """What all of them share: the folder, the network, the texts.

    Raises:
        UnavailableMetricError: The folder holds another kind of network.
    """

    def __init__(self, folder: PublishedModel) -> None:
        kind = folder.config.get("model_type")
        if kind not in FAMILIES:
            raise folder.unusable(f"model_type {kind!r} is not one of {', '.join(FAMILIES)}")
        self.folder = folder
        self.rule = FAMILIES[kind]
        self.name = folder.name
        self._texts: dict[str, Tensor] = {}

    @property
    def weights_hash(self) -> str:
        """See `PublishedModel.hash`."""
        return self.folder.hash

    @cached_property
    def model(self) -> Any:
        """The network, loaded when it is first needed."""
        import transformers

        return self.folder.load_model(getattr(transformers, self.rule.model))

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when it is first needed."""
        import transformers

        return self.folder.load_part(transformers.AutoTokenizer)

    @cached_property
    def token_limit(self) -> int:
        """Tokens of a text that are seen, the marks of its beginning and end included."""
        if self.rule.limit is not None:
            return self.rule.limit
        return self.model.config.text_config.max_position_embeddings

    def embed_text(self, text: str) -> Float64[Tensor, " d"]:
        """See `PromptTower`. Each text is embedded by itself, so its numbers do not depend on others."""
        if text not in self._texts:
            filled = "max_length" if self.rule.padded else False
            tokens = self.tokenizer(
                self._read(text),
                truncation=True,
                max_length=self.token_limit,
                padding=filled,
                padding_side="right",
                return_tensors="pt",
            )
            ids = tokens["input_ids"].to(self.model.device)
            mask = None if self.rule.padded else tokens["attention_mask"].to(self.model.device)
            with fixed_arithmetic(self.model.device):
                vectors = pooled(self.model.get_text_features(input_ids=ids, attention_mask=mask))
            self._texts[text] = unit(vectors)[0]
        return self._texts[text]

    def tokens_cut(self, text: str) -> int:
        """See `PromptTower`."""
        return max(0, len(self.tokenizer(self._read(text), verbose=False)["input_ids"]) - self.token_limit)

    def check_text(self, text: str) -> None:
        """See `PromptTower`."""
        found = east_asian(text)
        if (self.rule.reads == "english" and found) or (self.rule.reads == "chinese" and not found):
            reads = self.rule.reads.capitalize()
            what = f"holds {found!r}" if found else "holds no Chinese character"
            raise UndefinedScoreError(
                f"{self.name} reads {reads} only, and the prompt {_start(text)} {what}",
                hint=_WAY_OUT[self.rule.reads],
            )

    def _read(self, text: str) -> str:
        return text.lower() if self.rule.lower else text


class FrameTower(_HubTower):
    """An image-text network, applied to every frame."""

    frames_at_once = FRAMES_AT_ONCE

    @property
    def policy(self) -> str:
        """Every frame, as the folder's own preprocessing says."""
        return f"all-{self.folder.recipe.policy}"

    def embed_clip(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float64[Tensor, "t d"]:
        """See `PromptTower`; one vector per frame."""
        return embed_frames(frames, self.folder.recipe.apply, self._image_features)

    def frames_seen(self, frames: int) -> Sequence[int]:
        """See `PromptTower`."""
        return range(frames)

    def _image_features(self, pixels: Tensor) -> Tensor:
        return pooled(self.model.to(pixels.device).get_image_features(pixel_values=pixels))


class XClipTower(_HubTower):
    """X-CLIP (Ni et al., 2022) by its two towers: texts are not conditioned on the clip, as its classifier has them."""

    @property
    def policy(self) -> str:
        """The middle frames of as many equal parts as the network takes frames."""
        return f"{self.frames}mid-{self.folder.recipe.policy}-towers"

    @property
    def frames(self) -> int:
        """How many frames the network takes."""
        # 8 is the default of the class, and a config need not repeat defaults.
        return self.folder.config.get("vision_config", {}).get("num_frames", 8)

    @property
    def frames_at_once(self) -> int:
        """All that it takes."""
        return self.frames

    def embed_clip(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float64[Tensor, "1 d"]:
        """See `PromptTower`; one vector for the clip. A clip that is too short is refused, no frame is repeated."""
        check_frames(frames, self.frames, self.name)
        seen = frames[self.frames_seen(len(frames))]
        pixels = self.folder.recipe.apply(seen)[None]
        with fixed_arithmetic(frames.device):
            return unit(pooled(self.model.to(frames.device).get_video_features(pixel_values=pixels)))

    def frames_seen(self, frames: int) -> Sequence[int]:
        """See `PromptTower`."""
        return middle_frames(frames, min(frames, self.frames))


def embed_frames(
    frames: UInt8[Tensor, "t 3 h w"], prepare: Callable[[Tensor], Tensor], features: Callable[[Tensor], Tensor]
) -> Float64[Tensor, "t d"]:
    """Unit vectors of frames, on the CPU.

    Args:
        frames: On the device that the network is to work on.
        prepare: Frames to the network's input.
        features: That input to one vector per frame.
    """
    with fixed_arithmetic(frames.device):
        return torch.cat([unit(features(prepare(batch))) for batch in frame_batches(frames)])


def middle_frames(frames: int, wanted: int) -> list[int]:
    """The middle frame of each of `wanted` equal parts of a clip; of the two in the middle the later one."""
    return [(2 * part + 1) * frames // (2 * wanted) for part in range(wanted)]


def pooled(output: Any) -> Tensor:
    """The feature in what `get_*_features` returns: a tensor until transformers 4, an object since."""
    return output if isinstance(output, Tensor) else output.pooler_output


def unit(vectors: Tensor) -> Float64[Tensor, "n d"]:
    """Vectors of length 1, float64, on the CPU."""
    return F.normalize(vectors.double().cpu(), dim=-1)


def _start(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
