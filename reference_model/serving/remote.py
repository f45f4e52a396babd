"""Text encoders and VAE of another process, in place of those that `TextToVideoPipeline` would call here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from reference_model.config import VAEConfig
from reference_model.errors import ShapeError
from reference_model.serving.client import ServingClient
from reference_model.serving.errors import ServingError
from reference_model.serving.wire import CLIPS, JSON_TYPE, MOMENTS, TENSORS_TYPE, TEXT, pack
from reference_model.text.conditioning import TextConditioning
from reference_model.vae.chunks import blend_borders
from reference_model.vae.lengths import FRAMES_PER_CHUNK, LATENT_FRAMES_PER_CHUNK, latent_frames
from reference_model.vae.model import Clips
from reference_model.vae.posterior import DiagonalGaussian, Latents

PROMPTS_PER_REQUEST = 16


class RemoteTextEncoder:
    """`BilingualTextEncoder.encode` in another process; states come back on the CPU, in the dtype of the server.

    Args: those of `ServingClient`. Nothing is sent before the first use.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 600.0) -> None:
        self._client = ServingClient(url, token, timeout)

    def encode(self, prompts: Sequence[str]) -> TextConditioning:
        """One row per prompt. Long lists go in several requests: rows do not depend on their neighbours.

        Raises:
            ServingError: If the server cannot be reached, or refuses; with its own words.
        """
        if not prompts:
            raise ServingError("at least one prompt is needed, got none")
        self._client.require("text")
        step = min(PROMPTS_PER_REQUEST, self._client.health["limits"]["max_prompts"])
        text = self._encode(prompts[:step])
        for start in range(step, len(prompts), step):
            text = text.joined(self._encode(prompts[start : start + step]))
        return text

    def _encode(self, prompts: Sequence[str]) -> TextConditioning:
        body = json.dumps({"prompts": list(prompts)}).encode()
        answer = self._client.post("/encode-text", body, JSON_TYPE, TEXT)
        if any(len(tensor) != len(prompts) for tensor in answer.values()):
            raise ServingError(f"{self._client.url} answered {len(prompts)} prompts with another number of rows")
        return TextConditioning(llm=answer["llm"], clip=answer.get("clip"), mask=answer["mask"])


class RemoteVAE:
    """`VideoVAE` in another process: the same calls, the same numbers, one chunk per request.

    Results come back on the CPU, in the dtype of the server, and without gradients.

    Args: those of `ServingClient`. Nothing is sent before the first use.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 600.0) -> None:
        self._client = ServingClient(url, token, timeout)

    @property
    def cfg(self) -> VAEConfig:
        """Shape of the server's VAE."""
        self._client.require("vae")
        return VAEConfig.from_dict(self._client.health["vae"])

    def encode(self, clips: Clips) -> DiagonalGaussian:
        """See `VideoVAE.encode`.

        Raises:
            ShapeError: For clips that have no latents.
            ServingError: If the server cannot be reached, or refuses; with its own words.
        """
        self._client.require("vae")
        if clips.ndim != 5 or latent_frames(clips.shape[1]) is None:
            raise ShapeError(
                f"clips must have shape (batch, time, 3, height, width) and a length that has latents, "
                f"got {tuple(clips.shape)}",
                hint=f"1 frame and multiples of {FRAMES_PER_CHUNK} have latents",
            )
        answers = [self._moments(chunk) for chunk in clips.split(FRAMES_PER_CHUNK, dim=1)]
        return DiagonalGaussian(*(torch.cat([answer[name] for answer in answers], dim=1) for name in MOMENTS))

    def decode(self, latents: Latents) -> Clips:
        """See `VideoVAE.decode`; raises what `decode_chunks` does."""
        return torch.cat(list(self.decode_chunks(latents)), dim=1)

    def decode_chunks(self, latents: Latents) -> Iterator[Clips]:
        """See `VideoVAE.decode_chunks`. Every chunk is a request; borders are blended here, as the server's VAE would.

        Raises:
            ShapeError: For latents of another layout or number of channels.
            ServingError: If the server cannot be reached, or refuses; with its own words.
        """
        cfg = self.cfg
        if latents.ndim != 5 or latents.shape[1] == 0 or latents.shape[2] != cfg.z_channels:
            raise ShapeError(
                f"latents must have shape (batch, frames >= 1, {cfg.z_channels}, height, width), "
                f"got {tuple(latents.shape)}"
            )
        chunks = latents.split(LATENT_FRAMES_PER_CHUNK, dim=1)
        return blend_borders((self._decoded(chunk) for chunk in chunks), cfg.border_blend)

    def _decoded(self, latents: Latents) -> Clips:
        return self._client.post("/decode", pack({"latents": latents}), TENSORS_TYPE, CLIPS)["clips"]

    def _moments(self, clips: Clips) -> dict[str, Tensor]:
        return self._client.post("/encode", pack({"clips": clips}), TENSORS_TYPE, MOMENTS)
