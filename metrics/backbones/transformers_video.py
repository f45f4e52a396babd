"""The backbones `transformers:FOLDER`: any video model of the `transformers` library, from a folder on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.backbones.clip_sampling import Clips, check_frame_count
from metrics.backbones.model_folder import UNREADABLE, folder_hash, load_model, unreadable
from metrics.backbones.networks import ClipNetwork
from metrics.errors import MetricError, UnavailableMetricError

_FRAMES = ("num_frames", "frames_per_clip")
"""What configurations of video models call the frames of a clip."""


def load_transformers(device: torch.device, folder: str, *, frames: int | None = None) -> ClipNetwork:
    """Pooled features of a video model, with the preprocessing that its folder asks for.

    The first frames of a clip go through the folder's own video processor, or image processor where it has no other.
    The feature is the model's `pooler_output` where it has one and the folder its weights, else the mean of
    `last_hidden_state` over tokens.

    Args:
        device: Where it computes.
        folder: With the configuration, weights and processor configuration of the model.
        frames: How many frames are seen; None takes the number in the model's configuration.

    Raises:
        MetricError: The configuration does not say how many frames, and neither do you.
        UnavailableMetricError: The folder is missing or unreadable, lacks weights or the processor, or holds a model of
            more than videos.
    """
    from transformers import AutoModel

    path = Path(folder).expanduser()
    model, complete = load_model(AutoModel, path, may_lack=("pooler.",))
    if not hasattr(model.config, "hidden_size"):
        raise UnavailableMetricError(
            f"{path} holds a {type(model).__name__}, which does not turn videos alone into tokens of one hidden_size",
            hint="take the folder of a video encoder",
        )
    process = _processor(path)
    model = model.to(device)
    chosen = _frames(model.config, path) if frames is None else frames
    check_frame_count(chosen, 1, f"transformers:{folder}")

    def features(clips: Clips) -> Float[Tensor, "batch d"]:
        output = model(**{name: value.to(device) for name, value in process(clips).items()})
        pooled = getattr(output, "pooler_output", None) if complete else None
        return output.last_hidden_state.mean(dim=1) if pooled is None else pooled

    return ClipNetwork(
        name=f"transformers:{path.name}",
        weights_hash=folder_hash(path),
        policy=f"{chosen}f-processor",
        dimensions=model.config.hidden_size,
        frames=chosen,
        device=device,
        network=features,
    )


def _frames(config: Any, folder: Path) -> int:
    for name in _FRAMES:
        if (value := getattr(config, name, None)) is not None:
            return value
    raise MetricError(
        f"the configuration in {folder} does not say how many frames the model takes",
        hint="pass frames=16, or as many as it was trained with",
    )


def _processor(folder: Path) -> Any:
    """Clips to the model's inputs, by the folder's video processor, or else by its image processor."""
    from transformers import AutoImageProcessor, AutoVideoProcessor

    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        videos = AutoVideoProcessor.from_pretrained(folder, **options)
        return lambda clips: videos(list(clips.cpu()), return_tensors="pt", do_sample_frames=False)
    except UNREADABLE as no_videos:
        try:
            images = AutoImageProcessor.from_pretrained(folder, **options)
        except UNREADABLE as error:
            raise unreadable(folder, error) from no_videos
        return lambda clips: images([list(clip) for clip in clips.cpu()], return_tensors="pt")
