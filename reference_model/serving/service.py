"""What a server does, apart from HTTP: checked bytes in, one model at work at a time, bytes out."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import safetensors
import torch
from torch import Tensor

from reference_model.errors import ReferenceModelError
from reference_model.sampling.pipeline import TextEncoder
from reference_model.serving.errors import RequestError, ServingError
from reference_model.serving.limits import Limits
from reference_model.serving.wire import CLIPS, LATENTS, PROTOCOL, SERVICE, TensorRule, pack, unpack
from reference_model.vae.lengths import SPATIAL_FACTOR, pixel_frames
from reference_model.vae.model import VideoVAE

logger = logging.getLogger(__name__)


class ModelService:
    """Text encoders, a VAE, or both, behind functions from bytes to bytes.

    Every function raises `RequestError`: 400 for a request that is wrong, 404 for a part that is not served, 413 for
    one that is too large, 500 for a model that failed. All models run in one thread, one request at a
    time.

    Args:
        text_encoder: Served by `encode_text`; None if it is not served.
        vae: Served by `encode` and `decode`; None if it is not served.
        limits: What one request may ask for.
    """

    def __init__(
        self, *, text_encoder: TextEncoder | None = None, vae: VideoVAE | None = None, limits: Limits | None = None
    ) -> None:
        if text_encoder is None and vae is None:
            raise ServingError("there is nothing to serve", hint="give a text encoder, a VAE, or both")
        self.text_encoder = text_encoder
        self.vae = vae
        self.limits = limits or Limits()
        self._models = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")

    @property
    def parts(self) -> list[str]:
        """Names of what is served."""
        return [name for name, part in (("text", self.text_encoder), ("vae", self.vae)) if part is not None]

    def health(self) -> dict[str, Any]:
        """What is served, by what, within which limits."""
        return {
            "service": SERVICE,
            "protocol": PROTOCOL,
            "parts": self.parts,
            "vae": None if self.vae is None else self.vae.cfg.to_dict(),
            "limits": asdict(self.limits),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "safetensors": safetensors.__version__,
            },
        }

    def encode_text(self, body: bytes) -> bytes:
        """`{"prompts": [...]}` to the tensors of a `TextConditioning`."""
        encoder = self._part("text", self.text_encoder)
        prompts = self._prompts(body)

        def run() -> dict[str, Tensor]:
            text = encoder.encode(prompts)
            clip = {} if text.clip is None else {"clip": text.clip}
            return {"llm": text.llm, "mask": text.mask, **clip}

        return self._answer(run)

    def decode(self, body: bytes) -> bytes:
        """`latents` (b, f, z, h, w) to `clips` (b, t, 3, 16h, 16w), as `VideoVAE.decode`."""
        vae = self._part("vae", self.vae)
        latents = _unpacked(body, LATENTS)["latents"]
        batch, frames, _, height, width = latents.shape
        self._check_size(batch * pixel_frames(frames), height * SPATIAL_FACTOR, width * SPATIAL_FACTOR)
        return self._answer(lambda: {"clips": vae.decode(latents)})

    def encode(self, body: bytes) -> bytes:
        """`clips` (b, t, 3, 16h, 16w) to `mean` and `logvar` (b, f, z, h, w), as `VideoVAE.encode`."""
        vae = self._part("vae", self.vae)
        clips = _unpacked(body, CLIPS)["clips"]
        batch, frames, _, height, width = clips.shape
        self._check_size(batch * frames, height, width)

        def run() -> dict[str, Tensor]:
            posterior = vae.encode(clips)
            return {"mean": posterior.mean, "logvar": posterior.logvar}

        return self._answer(run)

    def close(self) -> None:
        """Waits for the model at work and ends its thread."""
        self._models.shutdown()

    def _part(self, name: str, part: Any) -> Any:
        if part is None:
            raise RequestError(HTTPStatus.NOT_FOUND, f"this server does not serve {name!r}", hint=f"use --parts {name}")
        return part

    def _prompts(self, body: bytes) -> list[str]:
        try:
            values = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _bad(f"not a valid JSON body: {type(error).__name__}") from None
        prompts = values.get("prompts") if isinstance(values, dict) and values.keys() == {"prompts"} else None
        if not isinstance(prompts, list) or not all(isinstance(prompt, str) for prompt in prompts):
            raise _bad('the body must be {"prompts": [text, ...]} and nothing else')
        if not 1 <= len(prompts) <= self.limits.max_prompts:
            raise _bad(f"a request must have 1 to {self.limits.max_prompts} prompts, got {len(prompts)}")
        longest = max(map(len, prompts))
        if longest > self.limits.max_prompt_characters:
            raise _bad(f"a prompt may have {self.limits.max_prompt_characters} characters, got {longest}")
        if any("\ud800" <= letter <= "\udfff" for prompt in prompts for letter in prompt):
            raise _bad("prompts must be valid Unicode, got half of a surrogate pair")
        return prompts

    def _check_size(self, frames: int, height: int, width: int) -> None:
        limits = self.limits
        if height * width > limits.max_frame_pixels or frames * height * width > limits.max_pixels:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a request may have {limits.max_frame_pixels} pixels per frame and {limits.max_pixels} in all, "
                f"got {frames} frames of {height}x{width}",
                hint="send fewer frames or clips at once",
            )

    def _answer(self, run: Callable[[], Mapping[str, Tensor]]) -> bytes:
        def work() -> bytes:
            with torch.inference_mode():
                return pack(run())

        try:
            return self._models.submit(work).result()
        except ReferenceModelError as error:
            raise _bad(error.message, hint=error.hint) from None
        except Exception as error:
            logger.exception("a model failed")
            text = (str(error).strip().splitlines() or [""])[0][:200]
            raise RequestError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"the model failed with {type(error).__name__}: {text}",
                hint="the log of the server has the details",
            ) from None


def _unpacked(body: bytes, rules: Mapping[str, TensorRule]) -> dict[str, Tensor]:
    try:
        return unpack(body, rules)
    except ServingError as error:
        raise _bad(error.message) from None


def _bad(message: str, *, hint: str = "") -> RequestError:
    return RequestError(HTTPStatus.BAD_REQUEST, message, hint=hint)
