"""A complete Step-Video-T2V: Video-VAE, 3D-full-attention DiT, two text encoders, flow-matching sampler."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_model.config import StepLLMConfig, TransformerConfig, VAEConfig
    from reference_model.presets import step_video_t2v, step_video_t2v_turbo, tiny
    from reference_model.sampling.pipeline import TextToVideoPipeline
    from reference_model.sampling.schedule import FlowMatchingSchedule
    from reference_model.text.step_llm import StepLLM
    from reference_model.transformer.model import StepVideoTransformer
    from reference_model.vae.model import VideoVAE

_EXPORTS = {
    "FlowMatchingSchedule": "reference_model.sampling.schedule",
    "StepLLM": "reference_model.text.step_llm",
    "StepLLMConfig": "reference_model.config",
    "StepVideoTransformer": "reference_model.transformer.model",
    "TextToVideoPipeline": "reference_model.sampling.pipeline",
    "TransformerConfig": "reference_model.config",
    "VAEConfig": "reference_model.config",
    "VideoVAE": "reference_model.vae.model",
    "step_video_t2v": "reference_model.presets",
    "step_video_t2v_turbo": "reference_model.presets",
    "tiny": "reference_model.presets",
}
__all__ = [
    "FlowMatchingSchedule",
    "StepLLM",
    "StepLLMConfig",
    "StepVideoTransformer",
    "TextToVideoPipeline",
    "TransformerConfig",
    "VAEConfig",
    "VideoVAE",
    "step_video_t2v",
    "step_video_t2v_turbo",
    "tiny",
]


def __getattr__(name: str) -> Any:
    # Exports load on first use: importing the package, or only its configs, must not cost an import of torch.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'reference_model' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
