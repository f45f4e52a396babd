"""How pleasing frames look, by a published head on CLIP's image embedding."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from metrics.backbones.frame_encoder import FrameEncoder, find_encoder
from metrics.backbones.frame_recipe import FRAMES_AT_ONCE
from metrics.backbones.state_files import load_state, read_state
from metrics.card import MetricCard
from metrics.frame_metric import FrameMetric
from metrics.view import ClipView
from metrics.weights import find_weights, weights_hash

HEAD = "aesthetic-vit-l-14-linear"


class AestheticQuality(FrameMetric):
    """Mean over frames of the rating, from 0 to about 10, that LAION's linear head predicts, over 10.

    The head was trained on how people rate single images. It knows nothing of the prompt or of motion.

    Args:
        profile: `strict`, frames resized as CLIP's publisher does; or `vbench`, as VBench does. They are different
            metrics with different ids.
        weights: Another folder of CLIP ViT-L/14, or its name in `stepbench weights list`.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        MetricError: There is no such profile.
        UnavailableMetricError: The weights of CLIP or of the head are not on this machine, or do not fit together.

    Example:
        >>> import metrics
        >>> as_vbench = metrics.build("aesthetic_quality", profile="vbench")     # doctest: +SKIP
    """

    default_weights = "clip-vit-large-patch14"
    card = MetricCard(
        name="aesthetic_quality",
        version=1,
        title="Aesthetic quality",
        direction="higher",
        unit="fraction of 10 points",
        range=(None, None),
        level="clip",
        family="no-reference quality",
        policy="all",
        backbone=default_weights,
        formula="mean over frames of (w . f + b) / 10; f = CLIP ViT-L/14's image embedding, of length 1; w, b: LAION",
        source="aesthetic quality of VBench, Huang et al., CVPR 2024; head: LAION's aesthetic predictor, 2022",
        sees="composition, light and finish of single frames, as the raters of its training images liked them",
        blind_to="motion and the order of frames; the prompt; tastes of others than its raters; the margins of wide "
        "frames",
    )

    def __init__(self, *, profile: str = "strict", weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights = self.default_weights if weights is None else weights
        self.profile = profile
        encoder, head = self.encoder, find_weights(HEAD)
        _ = self.head  # refused here if it does not fit, and not at the first clip
        both = hashlib.sha256(f"{encoder.weights_hash} {weights_hash(head)}".encode()).hexdigest()[:12]
        self.card = replace(type(self).card, backbone=encoder.name, weights_hash=both, policy=encoder.policy)

    @property
    def encoder(self) -> FrameEncoder:
        """CLIP; shared by all metrics of this process.

        Raises:
            UnavailableMetricError: The folder holds no CLIP.
        """
        encoder = find_encoder(self.weights, self.profile)
        if encoder.kind != "clip":
            raise encoder.folder.unusable(f"aesthetic_quality needs a CLIP, and its model_type is {encoder.kind!r}")
        return encoder

    @property
    def head(self) -> tuple[Float64[Tensor, " d"], float]:
        """Weights and bias."""
        width = int(self.encoder.folder.config["projection_dim"])
        return _head(width, find_weights(HEAD), find_weights(HEAD).stat().st_mtime_ns)

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the default weights and for the head."""
        for name in (cls.default_weights, HEAD):
            find_weights(name)

    def frames_at_once(self, height: int, width: int) -> int:
        """As many as CLIP sees at a time."""
        return FRAMES_AT_ONCE

    def measure(self, view: ClipView) -> np.ndarray:
        """Rating of each frame over 10."""
        encoder, (weight, bias) = self.encoder, self.head
        vectors = view.once(("frame encoder", encoder), lambda: encoder.embed_clip(view.frames))
        # Not a matrix product: that rounds a row by how many others there are.
        return (((vectors * weight).sum(dim=1) + bias) / 10).numpy()


@lru_cache(maxsize=2)
def _head(width: int, path: Path, changed: int) -> tuple[Tensor, float]:
    # Once per file as it is now, which `path` and `changed` stand for.
    head = load_state(torch.nn.Linear(width, 1, device="meta"), read_state(HEAD), HEAD).double()
    return head.weight[0], float(head.bias)
