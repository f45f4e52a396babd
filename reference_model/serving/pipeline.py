"""A pipeline with the transformer here and the other parts behind a URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reference_model.checkpoint.configs import read_sampling
from reference_model.checkpoint.layout import ModelFolder
from reference_model.checkpoint.load import load_text_encoder, load_transformer, load_vae, weight_dtype
from reference_model.config import SamplingConfig
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.serving.remote import RemoteTextEncoder, RemoteVAE

if TYPE_CHECKING:
    from reference_model.parallel.config import ParallelConfig


def load_remote_pipeline(
    root: Path | str,
    *,
    text_url: str | None = None,
    vae_url: str | None = None,
    token: str | None = None,
    timeout: float = 600.0,
    sampling: SamplingConfig | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    parallel: ParallelConfig | None = None,
) -> TextToVideoPipeline:
    """`load_pipeline`, but what has a URL is neither loaded nor needed in the folder.

    Args:
        root: Model folder.
        text_url: Server of the text encoders; None loads them here.
        vae_url: Server of the VAE, possibly the same; None loads it here.
        token: Of the servers.
        timeout: Seconds to wait for an answer.
        sampling: See `load_pipeline`.
        device: Of what is loaded here.
        dtype: Of what is loaded here; None takes `sampling.dtype`.
        parallel: See `load_pipeline`.

    Raises:
        CheckpointError: For missing or damaged files.
        ServingError: For a URL or a token that cannot be used.
    """
    if parallel is not None:
        from reference_model.parallel.load import load_parallel_pipeline

        urls: dict[str, Any] = {"text_url": text_url, "vae_url": vae_url, "token": token, "timeout": timeout}
        return load_parallel_pipeline(root, parallel, **urls, sampling=sampling, device=device, dtype=dtype)
    if sampling is None:
        sampling = read_sampling(ModelFolder(Path(root)))
    if dtype is None:
        dtype = weight_dtype(sampling)
    vae = load_vae(root, device=device, dtype=dtype) if vae_url is None else RemoteVAE(vae_url, token, timeout)
    if text_url is None:
        text_encoder = load_text_encoder(root, device=device, dtype=dtype)
    else:
        text_encoder = RemoteTextEncoder(text_url, token, timeout)
    return TextToVideoPipeline(
        load_transformer(root, device=device, dtype=dtype),
        vae,
        text_encoder,
        sampling,
    )
