"""Latents of preference pairs, each clip encoded once and kept on disk under the hash of its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from rich.console import Console
from rich.progress import track

from reference_model.training.cache import read_tensors, write_tensors
from reference_model.training.data import to_float
from reference_model.training.latents import ClipLatents, weights_digest
from reference_model.training.preferences import PreferenceClip, PreferenceDataError, PreferenceSource, check_share
from reference_model.vae.model import VideoVAE


@dataclass(frozen=True, kw_only=True)
class LatentPair:
    """A preference pair as the transformer sees it.

    Attributes:
        prompt: What both clips were made from.
        winner: Latents of the preferred clip.
        loser: Latents of the other one, of the same shape: both get the same noise.
        share: As in `PreferencePair`.
        fps: Frames per second of both.

    Raises:
        PreferenceDataError: If the shapes differ, or the winner has no majority.
    """

    prompt: str
    winner: ClipLatents
    loser: ClipLatents
    share: float = 1.0
    fps: float = 25.0

    def __post_init__(self) -> None:
        check_share(self.share)
        if self.winner.shape != self.loser.shape:
            raise PreferenceDataError(
                f"winner and loser must have latents of one shape, got {tuple(self.winner.shape)} and "
                f"{tuple(self.loser.shape)} for {self.prompt!r}",
                hint="compare clips of one size and length",
            )


@runtime_checkable
class LatentPairs(Protocol):
    """What Video-DPO reads; a list of `LatentPair` will do."""

    def __len__(self) -> int:
        """How many pairs there are."""
        ...

    def __getitem__(self, index: int, /) -> LatentPair:
        """One pair, 0 to len - 1."""
        ...


@dataclass(frozen=True, kw_only=True)
class StoredPair:
    """A preference pair whose latents lie in two files.

    Attributes:
        prompt: What both clips were made from.
        winner: Latents of the preferred clip.
        loser: Latents of the other one.
        share: As in `PreferencePair`.
    """

    prompt: str
    winner: Path
    loser: Path
    share: float

    def read(self) -> LatentPair:
        """With latents.

        Raises:
            PreferenceDataError: If the two clips do not go together.
            CheckpointError: If a file cannot be read.
        """
        winner, fps = _read(self.winner)
        loser, other = _read(self.loser)
        if fps != other:
            raise PreferenceDataError(
                f"winner and loser must have one frame rate, got {fps:g} and {other:g} for {self.prompt!r}",
                hint="compare clips of one frame rate",
            )
        return LatentPair(prompt=self.prompt, winner=winner, loser=loser, share=self.share, fps=fps)


class StoredPairs:
    """Pairs whose latents are read from disk when asked for; see `LatentPairs`."""

    def __init__(self, pairs: Sequence[StoredPair]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> LatentPair:
        """One pair; errors as `StoredPair.read`."""
        return self._pairs[index].read()


@torch.no_grad()
def encode_pairs(vae: VideoVAE, source: PreferenceSource, folder: Path, *, progress: bool = True) -> StoredPairs:
    """Encodes every clip that the folder has no latents of; a clip of several pairs is encoded once.

    Args:
        vae: Encodes on its device, float32 weights under bfloat16 autocast; the means are kept as float16.
        source: The pairs.
        folder: Gets `<digest of the VAE>/<digest of the clip>.safetensors`; may serve several sources and VAEs.
        progress: Show a bar on stderr.
    """
    folder = folder / weights_digest(vae)
    folder.mkdir(parents=True, exist_ok=True)

    def encoded(clip: PreferenceClip) -> Path:
        file = folder / f"{clip.digest}.safetensors"
        if not file.is_file():
            _write(vae, clip, file)
        return file

    pairs = []
    numbers = range(len(source))
    for index in track(numbers, description="encoding", console=Console(stderr=True), disable=not progress):
        pair = source[index]
        winner, loser = encoded(pair.winner), encoded(pair.loser)
        pairs.append(StoredPair(prompt=pair.prompt, winner=winner, loser=loser, share=pair.share))
    return StoredPairs(pairs)


def _write(vae: VideoVAE, stored: PreferenceClip, file: Path) -> None:
    clip, weight = stored.read(), next(vae.parameters())
    with torch.autocast(weight.device.type, torch.bfloat16, enabled=weight.dtype == torch.float32):
        mean = vae.encode(to_float(clip.frames, weight.device)[None]).mean[0]
    write_tensors(file, {"latents": mean.half()}, {"fps": repr(float(clip.fps))})


def _read(file: Path) -> tuple[ClipLatents, float]:
    tensors, metadata = read_tensors(file)
    return tensors["latents"], float(metadata["fps"])
