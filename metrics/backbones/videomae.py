"""The backbone `videomae`: features that see motion, for content-debiased FVD (Ge et al., CVPR 2024).

Their VideoMAE-v2 ViT-g is no `transformers` model, so its published values are not reproduced here: `videomae` reads
any VideoMAE in that format, fine-tuned on Something-Something v2 or not, and its weights hash tells one from another.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.backbones.clip_sampling import Clips, squashed
from metrics.backbones.model_folder import folder_hash, load_model
from metrics.backbones.networks import ClipNetwork
from metrics.weights import find_weights

FOLDER = "videomae-base-ssv2"
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB on [0, 1], as VideoMAE was trained."""


def load_videomae(device: torch.device, *, folder: str | None = None) -> ClipNetwork:
    """Tokens of a VideoMAE encoder, averaged over the clip and normalised where the checkpoint knows how.

    The first frames of a clip, as many as the model takes, squashed to its size without antialias.

    Args:
        device: Where it computes.
        folder: A model other than the published `videomae-base-ssv2`.

    Raises:
        UnavailableMetricError: The folder is missing, or holds no complete VideoMAE.
    """
    from transformers import VideoMAEForVideoClassification

    path = Path(folder).expanduser() if folder else find_weights(FOLDER)
    model, has_head = load_model(VideoMAEForVideoClassification, path, may_lack=("fc_norm.", "classifier."))
    model = model.to(device)
    frames, side = model.config.num_frames, model.config.image_size
    mean, spread = (torch.tensor(values, device=device)[:, None, None] for values in (_MEAN, _SPREAD))

    def features(clips: Clips) -> Float[Tensor, "batch d"]:
        pixels = (squashed(clips, (side, side)) / 255 - mean) / spread
        pooled = model.videomae(pixel_values=pixels).last_hidden_state.mean(dim=1)
        return model.fc_norm(pooled) if has_head and model.fc_norm is not None else pooled

    return ClipNetwork(
        name="videomae",
        weights_hash=folder_hash(path),
        policy=f"{frames}f-{side}-bilinear",
        dimensions=model.config.hidden_size,
        frames=frames,
        device=device,
        network=features,
    )
