"""An autoencoder as a generator: the clip of a sample is the reconstruction of that sample's source clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from stepbench.autoencoders import Autoencoder, Code, make_autoencoder
from stepbench.generators.protocol import Clip
from stepbench.reconstruct.source import SourceRun
from stepbench.records import Prompt, Request, Settings

RAW_BITS_PER_PIXEL = 24
"""Of the 8-bit RGB clip that a code is held against."""


class Reconstruction:
    """Sends source clips through an autoencoder, with times and the size of the code.

    Each clip carries `seconds` by stage, `load`, `encode_latents` and `decode_latents` (files are read and written
    outside of these), and `measures`: `code_bits`, `bits_per_pixel` and `compression_ratio` (24 over that).

    Args:
        source: The clips.
        autoencoder: What they go through.
        spec: Its spec, such as `h264:23`, from which worker processes load their own; None keeps it in one process.
    """

    def __init__(self, source: SourceRun, autoencoder: Autoencoder, spec: str | None = None) -> None:
        self._source = source
        self._autoencoder = autoencoder
        self._spec = spec
        self.card = autoencoder.card

    def __reduce__(self) -> tuple[Callable[..., Reconstruction], tuple[SourceRun, str]]:
        # What is loaded may be large or live on a GPU; a worker is sent its name.
        if self._spec is None:
            raise TypeError(f"{self.card.name} has no spec, so no other process can load it")
        return _load, (self._source, self._spec)

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """The autoencoder's settings, and which clip it is given under `source`."""
        return {**self._autoencoder.resolve(settings), "source": self._source.identify(prompt, seed)}

    def generate(self, request: Request) -> Clip:
        """Encode and decode the source clip.

        Raises:
            Refused: The source was refused.
            SourceUnavailableError: There is no source clip.
            TypeError: The autoencoder returned no code of a known size.
            ValueError: The autoencoder returned something else than a clip of the same shape.
        """
        settings = dict(request.settings)
        clip = self._source.read(request.prompt_id, request.seed, settings.pop("source"))
        started = time.perf_counter()
        self._autoencoder.prepare(settings)
        loaded = time.perf_counter()
        code = self._autoencoder.encode(clip, settings)
        encoded = time.perf_counter()
        frames = self._autoencoder.decode(code, settings)
        decoded = time.perf_counter()
        seconds = {"load": loaded - started, "encode_latents": encoded - loaded, "decode_latents": decoded - encoded}
        _check(self.card.name, clip.frames, code, frames)
        pixels = clip.frames.size // 3
        measures = {
            "code_bits": code.bits,
            "compression_ratio": RAW_BITS_PER_PIXEL * pixels / code.bits,
            "bits_per_pixel": code.bits / pixels,
        }
        return Clip(frames=frames, fps=clip.fps, seconds=seconds, measures=measures)


def _load(source: SourceRun, spec: str) -> Reconstruction:
    return Reconstruction(source, make_autoencoder(spec), spec)


def _check(name: str, source: np.ndarray, code: Code, frames: np.ndarray) -> None:
    if not isinstance(code, Code) or not isinstance(code.bits, int) or code.bits < 1:
        raise TypeError(f"{name}: encode must return a Code of at least one bit, got {code!r:.80}")
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.shape != source.shape:
        got = f"{frames.dtype} {frames.shape}" if isinstance(frames, np.ndarray) else type(frames).__name__
        raise ValueError(f"{name}: decode must return uint8 frames of shape {source.shape}, got {got}")
