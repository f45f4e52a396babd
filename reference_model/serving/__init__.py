"""Text encoders and VAE in another process: a small HTTP server that speaks safetensors, and clients in their place.

    python -m reference_model.serving --folder stepvideo-t2v       # prints its URL

    pipeline = load_remote_pipeline("stepvideo-t2v", text_url=url, vae_url=url, device="cuda")

The server listens on this machine only. To listen beyond it, it needs a token, and something in front of it that does
TLS if others could listen along the way.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_model.serving.errors import ServingError
    from reference_model.serving.limits import Limits
    from reference_model.serving.pipeline import load_remote_pipeline
    from reference_model.serving.remote import RemoteTextEncoder, RemoteVAE
    from reference_model.serving.server import ModelServer
    from reference_model.serving.service import ModelService

_EXPORTS = {
    "Limits": "limits",
    "ModelServer": "server",
    "ModelService": "service",
    "RemoteTextEncoder": "remote",
    "RemoteVAE": "remote",
    "ServingError": "errors",
    "load_remote_pipeline": "pipeline",
}
__all__ = [
    "Limits",
    "ModelServer",
    "ModelService",
    "RemoteTextEncoder",
    "RemoteVAE",
    "ServingError",
    "load_remote_pipeline",
]


def __getattr__(name: str) -> Any:
    # Exports load on first use: checking a URL must not cost an import of torch.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'reference_model.serving' has no attribute {name!r}")
    return getattr(import_module(f"reference_model.serving.{_EXPORTS[name]}"), name)
