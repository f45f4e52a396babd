"""What a model folder says about itself, without its weights and without torch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

from reference_model.checkpoint.layout import ModelFolder, read_json
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.presets import Preset, step_video_t2v_turbo

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
    """The folder's default settings: its own, or the recommended ones of the release that it is named after.

    The released folders have no `sampling.json`. A folder called like the Turbo release then samples as
    `step_video_t2v_turbo()`, any other one as `step_video_t2v()`: no file and no tensor shape tells the two apart.
    """
    if folder.sampling.is_file():
        return read_config(SamplingConfig, folder.sampling)
    sampling = read_config(SamplingConfig, folder.scheduler_config)
    if not is_named_turbo(folder.root):
        return sampling
    turbo = step_video_t2v_turbo().sampling
    return sampling.changed(num_steps=turbo.num_steps, guidance_scale=turbo.guidance_scale, time_shift=turbo.time_shift)


def is_named_turbo(root: Path) -> bool:
    """Whether a folder has the name of the Turbo release, by itself or as a snapshot in the cache of the hub's client.

    Case and punctuation do not matter: `stepvideo-t2v-turbo`, `Step-Video-T2V-Turbo`.
    """
    root = root.resolve()
    # .../models--stepfun-ai--stepvideo-t2v-turbo/snapshots/COMMIT
    named = root.parent.parent if root.parent.name == "snapshots" else root
    return "".join(filter(str.isalnum, named.name.lower())).endswith("stepvideot2vturbo")


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
