"""Latents of a whole source, encoded once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import track
from torch import Tensor

from reference_model.errors import ConfigError
from reference_model.training.cache import claim_folder, read_tensors, state_digest, write_tensors
from reference_model.training.data import ClipSource, TrainingClip, to_float
from reference_model.vae.model import VideoVAE

SHARD_CLIPS = 512
ENCODED_TOGETHER = 16
INDEX_FILE = "latents.json"

ClipLatents = Float[Tensor, "latent_time latent_channels latent_height latent_width"]


class LatentStore:
    """Means of the latents of clips 0 to n - 1, in main memory, with their captions; clips may differ in size.

    Args:
        latents: One tensor per clip.
        captions: Texts of each clip.
        fps: Frames per second of each clip; None means 25 for all of them, as in `TrainingClip`.

    Attributes:
        buckets: Lists of the numbers of clips whose latents have one shape, in order.

    Raises:
        ConfigError: If there are not as many captions or rates as latents.
    """

    def __init__(
        self, latents: list[ClipLatents], captions: list[list[str]], fps: Sequence[float] | None = None
    ) -> None:
        self.latents = latents
        self.captions = captions
        self.fps = [25.0] * len(latents) if fps is None else list(fps)
        counts = (len(latents), len(captions), len(self.fps))
        if len(set(counts)) > 1:
            raise ConfigError(f"each clip has latents, captions and a rate, got {', '.join(map(str, counts))} of these")
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, value in enumerate(latents):
            by_shape.setdefault(tuple(value.shape), []).append(index)
        self.buckets = list(by_shape.values())

    def __len__(self) -> int:
        return len(self.latents)


@torch.no_grad()
def encode_source(
    vae: VideoVAE, source: ClipSource, count: int, folder: Path, *, description: str, progress: bool = True
) -> LatentStore:
    """Encodes the first clips of a source, shard by shard, as float16; shards that are there already are read.

    Args:
        vae: Encodes on its device; float32 weights under bfloat16 autocast, others as they are.
        source: Clips.
        count: How many of them.
        folder: Of the shards; belongs to this VAE and this source alone.
        description: Names the source and its settings, so that a folder of other clips is noticed.
        progress: Show a bar on stderr.

    Raises:
        CheckpointError: If the folder holds latents of another VAE or source, or a shard is damaged.
        ConfigError: If the source has fewer clips.
    """
    if count > len(source):
        raise ConfigError(f"{count} clips are to be encoded, but the source has {len(source)}")
    claim_folder(folder / INDEX_FILE, {"vae": weights_digest(vae), "source": description})
    latents: list[ClipLatents] = []
    fps: list[float] = []
    starts = range(0, count, SHARD_CLIPS)
    for start in track(starts, description="encoding", console=Console(stderr=True), disable=not progress):
        numbers = range(start, min(start + SHARD_CLIPS, count))
        file = folder / f"clips-{start:08d}-{len(numbers)}.safetensors"
        if not file.is_file():
            _write_shard(vae, source, numbers, file)
        tensors, _ = read_tensors(file)
        latents += [tensors[f"{number:08d}"] for number in numbers]
        fps += tensors["fps"].tolist()
    return LatentStore(latents, [list(source_captions(source, number)) for number in range(count)], fps)


def source_captions(source: ClipSource, index: int) -> list[str]:
    """Captions of a clip, without making its frames where the source can tell."""
    captions = getattr(source, "captions", None)
    return list(captions(index) if captions else source[index].captions)


def weights_digest(vae: VideoVAE) -> str:
    """Sha256 over the encoder's weights: what latents depend on."""
    return state_digest(vae.encoder)


def _write_shard(vae: VideoVAE, source: ClipSource, numbers: range, file: Path) -> None:
    latents: list[ClipLatents] = []
    fps: list[float] = []
    for start in range(0, len(numbers), ENCODED_TOGETHER):
        clips = [source[number] for number in numbers[start : start + ENCODED_TOGETHER]]
        latents += _encode(vae, clips)
        fps += [clip.fps for clip in clips]
    named = {f"{number:08d}": value for number, value in zip(numbers, latents, strict=True)}
    write_tensors(file, {**named, "fps": torch.tensor(fps, dtype=torch.float64)})


def _encode(vae: VideoVAE, clips: Sequence[TrainingClip]) -> Iterator[ClipLatents]:
    """Clips in order; neighbours of one size go through the VAE together."""
    weight = next(vae.parameters())
    for _, alike in groupby(clips, key=lambda clip: clip.frames.shape):
        frames = torch.stack([clip.frames for clip in alike])
        with torch.autocast(weight.device.type, torch.bfloat16, enabled=weight.dtype == torch.float32):
            means = vae.encode(to_float(frames, weight.device)).mean
        # Copies, because a view would be saved with all of the batch behind it.
        yield from (mean.clone() for mean in means.half().cpu())
