"""The `shapes` backbone: clips and bilingual texts of the moving-shapes world in one space.

A small contrastive video-text encoder (the recipe of CLIP: Radford et al., 2021, section 2) whose weights ship with
this package, so that distances between sets of clips and prompt alignment work offline. It knows that world and nothing
else: `weights/shapes.md` says what it was trained on, how well it does, and what it cannot see.

    encoder = load()
    encoder.features(clips)          # (batch, 320), for distances between sets of clips
    (encoder.embed_video(clips) * encoder.embed_text(texts)).sum(dim=1)     # cosine per clip
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64, UInt8
from safetensors.torch import load as read_safetensors
from torch import Tensor, nn

from metrics.backbones.shapes_text import TextTower
from metrics.backbones.shapes_tokenizer import RESERVED, ShapesTokenizer, Tokens
from metrics.backbones.shapes_video import SampledClips, VideoTower, sample_clips
from metrics.errors import UnavailableMetricError
from metrics.functional.checks import check_batch

NAME = "shapes"
WEIGHTS = Path(__file__).parent / "weights" / "shapes.safetensors"
MAX_SCALE = math.log(100.0)


@dataclass(frozen=True, kw_only=True)
class ShapesConfig:
    """Sizes of the encoder.

    Attributes:
        embedding: Dimensions of the space that clips and texts share.
        video_blocks: Transformer blocks of the video tower.
        text_blocks: Transformer blocks of the text tower.
        text_length: Most pieces of a text.
    """

    embedding: int = 128
    video_blocks: int = 2
    text_blocks: int = 2
    text_length: int = 64


class ShapesEncoder(nn.Module):
    """Both towers. Nothing in it depends on the other clips or texts of a batch.

    Args:
        vocabulary: See `ShapesTokenizer`.
        config: Sizes.
    """

    feature_mean: Tensor
    feature_spread: Tensor

    def __init__(self, vocabulary: Sequence[str], config: ShapesConfig | None = None) -> None:
        super().__init__()
        self.config = config or ShapesConfig()
        self.tokenizer = ShapesTokenizer(vocabulary, self.config.text_length)
        self.video = VideoTower(self.config.embedding, self.config.video_blocks)
        self.text = TextTower(
            len(vocabulary) + RESERVED, self.config.text_length, self.config.embedding, self.config.text_blocks
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.register_buffer("feature_mean", torch.zeros(self.video.feature_dimensions))
        self.register_buffer("feature_spread", torch.ones(self.video.feature_dimensions))

    def forward(
        self, clips: SampledClips, ids: Int64[Tensor, "texts length"]
    ) -> tuple[Float[Tensor, "batch d"], Float[Tensor, "texts d"], Float[Tensor, ""]]:
        """For training: unit vectors of clips and of texts, and what cosines are multiplied by before a softmax."""
        videos = F.normalize(self.video(clips)[1].float(), dim=-1)
        texts = F.normalize(self.text(ids).float(), dim=-1)
        return videos, texts, self.log_scale.clamp(max=MAX_SCALE).exp()

    @torch.no_grad()
    def features(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch features"]:
        """What three layers see of a clip, each dimension with mean 0 and spread 1 on clips of the training split.

        Raises:
            ClipError: `clips` is no uint8 batch.
        """
        features = self.video(self._sampled(clips))[0]
        return (features - self.feature_mean) / self.feature_spread

    @torch.no_grad()
    def embed_video(self, clips: UInt8[Tensor, "batch time 3 height width"]) -> Float32[Tensor, "batch d"]:
        """Unit vectors of clips of any length and size; see `sample_clips` for what is seen of them.

        Raises:
            ClipError: `clips` is no uint8 batch.
        """
        return F.normalize(self.video(self._sampled(clips))[1], dim=-1)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Float32[Tensor, "batch d"]:
        """Unit vectors of texts. What was cut off or is unknown is told by `tokenize`.

        Raises:
            MetricError: A single string, or a text without a word.
        """
        ids = self.tokenize(texts).ids.to(self.feature_mean.device)
        return F.normalize(self.text(ids), dim=-1)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """What the text tower sees of texts: numbers, whether the end was cut off, which pieces are unknown.

        Raises:
            MetricError: A single string, or a text without a word.
        """
        return self.tokenizer.encode(texts)

    def _sampled(self, clips: Tensor) -> SampledClips:
        check_batch(clips)
        return sample_clips(clips.to(self.feature_mean.device))


def load(weights: Path = WEIGHTS) -> ShapesEncoder:
    """The encoder with the weights of the package, on the CPU, in float32, without gradients.

    Args:
        weights: A file written by the recipe, its card beside it as `<name>.json`.

    Raises:
        UnavailableMetricError: A file is missing, or the weights are not those that the card describes.
    """
    content = _read(weights)
    expected = card(weights)["sha256"]
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UnavailableMetricError(
            f"the weights {weights.name} have the sha256 {found}, and their card says {expected}",
            hint="reinstall the package; after training, export weights and card together",
        )
    (header_length,) = (int.from_bytes(content[:8], "little"),)
    metadata = json.loads(content[8 : 8 + header_length])["__metadata__"]
    encoder = ShapesEncoder(json.loads(metadata["vocabulary"]), ShapesConfig(**json.loads(metadata["config"])))
    encoder.load_state_dict({name: value.float() for name, value in read_safetensors(content).items()}, strict=True)
    return encoder.eval().requires_grad_(False)


def card(weights: Path = WEIGHTS) -> dict[str, Any]:
    """What is known about the weights: data, recipe, compute, scores, limits, `sha256`. Reads no weights.

    Raises:
        UnavailableMetricError: There is no card.
    """
    return json.loads(_read(weights.with_suffix(".json")))


def weights_hash(weights: Path = WEIGHTS) -> str:
    """Start of the sha256 of the weights, for metric ids. The vocabulary is inside the hashed file."""
    return card(weights)["sha256"][:12]


def metadata_of(encoder: ShapesEncoder) -> dict[str, str]:
    """What a weights file must say beside its tensors so that `load` can rebuild the encoder."""
    return {
        "vocabulary": json.dumps(encoder.tokenizer.vocabulary, ensure_ascii=False),
        "config": json.dumps(asdict(encoder.config)),
    }


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnavailableMetricError(
            f"backbone 'shapes' is unavailable: {file} cannot be read ({error.strerror})",
            hint="reinstall the package, which brings this file",
        ) from error
