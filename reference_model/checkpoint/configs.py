"""What a model folder says about itself, without its weights and without torch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

from reference_model.checkpoint.layout import ModelFolder, read_json
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.presets import Preset

Config = TypeVar("Config", TransformerConfig, StepLLMConfig, ClipConfig, SamplingConfig)
logger = logging.getLogger(__name__)


def read_config(kind: type[Config], file: Path) -> Config:
    """One config file; keys that other programs read are logged and left out.

    Raises:
        CheckpointError: If there is no such file, or it is no JSON object.
        ConfigError: For values that no model can have.
    """
    values = read_json(file)
    cfg = kind.from_dict(values, ignore_unknown=True)
    unread = sorted(values.keys() - cfg.to_dict().keys())
    if unread:
        logger.info("%s: keys without a meaning here: %s", file, ", ".join(unread))
    return cfg


def read_vae_config(folder: ModelFolder) -> VAEConfig:
    """Shape of the folder's VAE: the released one unless the folder says otherwise."""
    return VAEConfig.from_dict(read_json(folder.vae_config)) if folder.vae_config.is_file() else VAEConfig()


def read_sampling(folder: ModelFolder) -> SamplingConfig:
    """The folder's default settings; the released folders have none, and then they are those of `step_video_t2v()`."""
    return read_config(SamplingConfig, folder.sampling if folder.sampling.is_file() else folder.scheduler_config)


def read_preset(root: Path | str) -> Preset:
    """All configs of a model folder, checked against each other.

    Raises:
        CheckpointError: For a missing or damaged config file.
        ConfigError: For values that no model can have, or parts that do not belong together.
    """
    folder = ModelFolder(Path(root))
    return Preset(
        name=folder.root.resolve().name,
        transformer=read_config(TransformerConfig, folder.transformer / "config.json"),
        vae=read_vae_config(folder),
        llm=read_config(StepLLMConfig, folder.llm / "config.json"),
        clip=read_config(ClipConfig, folder.clip / "config.json"),
        sampling=read_sampling(folder),
    )
