"""Weights in and out: the released folder layout, sharded safetensors, strict loading on the meta device."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_model.checkpoint.load import (
        load_clip,
        load_pipeline,
        load_step_llm,
        load_text_encoder,
        load_transformer,
        load_vae,
        load_weights,
    )
    from reference_model.checkpoint.save import save_pipeline, save_weights
    from reference_model.checkpoint.signature import name_shape_digest

__all__ = [
    "load_clip",
    "load_pipeline",
    "load_step_llm",
    "load_text_encoder",
    "load_transformer",
    "load_vae",
    "load_weights",
    "name_shape_digest",
    "save_pipeline",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    # Exports load on first use: reading the configs of a folder must not cost an import of torch.
    if name not in __all__:
        raise AttributeError(f"module 'reference_model.checkpoint' has no attribute {name!r}")
    module = "signature" if name == "name_shape_digest" else name.partition("_")[0]
    return getattr(import_module(f"reference_model.checkpoint.{module}"), name)
