"""Clips that others must not come too close to, as one vector each: made once, kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Float64, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from metrics.backbones.frame_encoder import find_encoder
from metrics.errors import MetricError, UnavailableMetricError
from metrics.functional.consistency import frame_descriptors
from metrics.functional.pixels import interleaved

LAYOUT = "layout"
FRAMES = 8


class ClipDescriber:
    """Clips as unit vectors: the mean over 8 frames, evenly spaced, of the vectors of frames.

    Args:
        features: `layout` for 8 x 8 cells of colour, which needs no weights and finds copies rather than likenesses; or
            an image network, a name in `metrics.weights.WEIGHTS` or a folder, such as `dino-vitb16`.

    Raises:
        UnavailableMetricError: The weights are not on this machine.
    """

    def __init__(self, features: str | Path = LAYOUT) -> None:
        self._encoder = None if features == LAYOUT else find_encoder(features, "strict")

    @property
    def id(self) -> str:
        """Two vectors can be compared only where this is equal."""
        if self._encoder is None:
            return f"{LAYOUT}:area-8x8-{FRAMES}even"
        return f"{self._encoder.name}:{self._encoder.weights_hash}:{self._encoder.policy}-{FRAMES}even"

    def frames_seen(self, frames: int) -> list[int]:
        """Which frames of a clip of so many `describe` looks at; of these alone it looks at all."""
        return sorted({round(place * (frames - 1) / (FRAMES - 1)) for place in range(FRAMES)})

    def describe(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float64[Tensor, " d"]:
        """The vector of a clip.

        Raises:
            ClipError: By `layout`, frames are smaller than 8 x 8 pixels.
        """
        seen = frames[self.frames_seen(len(frames))]
        if self._encoder is None:
            vectors = torch.from_numpy(np.ascontiguousarray(frame_descriptors(interleaved(seen)))).double()
        else:
            vectors = self._encoder.embed_clip(seen)
        return F.normalize(vectors.mean(dim=0), dim=0)


@dataclass(frozen=True)
class ReferenceSet:
    """Vectors of reference clips.

    Attributes:
        ids: What each clip is called when it is named as the nearest one.
        vectors: One unit vector per clip.
        describer: `ClipDescriber.id` of what made them.
    """

    ids: tuple[str, ...]
    vectors: Float32[Tensor, "clips d"] = field(repr=False)
    describer: str

    @classmethod
    def of(cls, clips: Iterable[tuple[str, Tensor]], features: str | Path = LAYOUT) -> ReferenceSet:
        """Describe clips, given as (id, uint8 (t, 3, h, w)), one at a time.

        Raises:
            MetricError: There is no clip, or two have one id.
        """
        describer = ClipDescriber(features)
        described = [(name, describer.describe(frames).float()) for name, frames in clips]
        ids = tuple(name for name, _ in described)
        if not ids or len(set(ids)) < len(ids):
            raise MetricError(f"a reference set needs at least one clip and an id for each, got {len(ids)} clips")
        return cls(ids, torch.stack([vector for _, vector in described]), describer.id)

    @cached_property
    def hash(self) -> str:
        """Start of a sha256 over ids, vectors and what made them."""
        told = json.dumps([self.describer, self.ids]).encode() + self.vectors.numpy().tobytes()
        return hashlib.sha256(told).hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write the set as safetensors."""
        save_file({"vectors": self.vectors}, path, {"ids": json.dumps(self.ids), "describer": self.describer})

    @classmethod
    def load(cls, path: Path) -> ReferenceSet:
        """Read what `save` wrote.

        Raises:
            UnavailableMetricError: The file is missing, or no such file.
        """
        try:
            with safe_open(path, "pt") as file:
                told = file.metadata() or {}
                return cls(tuple(json.loads(told["ids"])), file.get_tensor("vectors"), told["describer"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UnavailableMetricError(
                f"{path} cannot be read as a reference set ({type(error).__name__}: {error})",
                hint="make one with `python -m stepbench.reference_clips FOLDER FILE`",
            ) from error
