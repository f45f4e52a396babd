"""Saving, in the layout of the released folder and without pickle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from reference_model.checkpoint.layout import CLIP_STEM, LLM_STEM, TRANSFORMER_STEM, ModelFolder, write_json
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.vae.model import VideoVAE

DEFAULT_SHARD_BYTES = 5 * 10**9


def save_weights(
    model: nn.Module, folder: Path, stem: str = "model", *, shard_bytes: int = DEFAULT_SHARD_BYTES
) -> None:
    """Writes `<stem>-0000i-of-0000n.safetensors` and their index.

    Shards are written one after the other, each under a temporary name first, and the index last.

    Args:
        model: Its whole state dict is saved, each tensor in its dtype.
        folder: Created if need be.
        stem: Start of the file names.
        shard_bytes: Upper limit of a shard, unless a single tensor is larger.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    shards = list(_shards(state, shard_bytes))
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = folder / f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        _write_file({name: state[name] for name in names}, file)
        weight_map |= dict.fromkeys(names, file.name)
    total = sum(_bytes(tensor) for tensor in state.values())
    write_json(folder / f"{stem}.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def save_vae(vae: VideoVAE, root: Path) -> None:
    """Writes one weights file and the config."""
    folder = ModelFolder(root)
    folder.vae_weights.parent.mkdir(parents=True, exist_ok=True)
    _write_file(vae.state_dict(), folder.vae_weights)
    write_json(folder.vae_config, vae.cfg.to_dict())


def save_text_encoder(encoder: BilingualTextEncoder, root: Path, *, shard_bytes: int = DEFAULT_SHARD_BYTES) -> None:
    """Writes weights, configs and tokenizer files of both encoders."""
    folder = ModelFolder(root)
    save_weights(encoder.llm, folder.llm, LLM_STEM, shard_bytes=shard_bytes)
    write_json(folder.llm / "config.json", encoder.llm.cfg.to_dict())
    encoder.llm_tokenizer.save(folder.llm_tokenizer)
    save_weights(encoder.clip, folder.clip, CLIP_STEM, shard_bytes=shard_bytes)
    write_json(folder.clip / "config.json", encoder.clip.cfg.to_dict())
    folder.clip_vocabulary.parent.mkdir(parents=True, exist_ok=True)
    encoder.clip_tokenizer.save(folder.clip_vocabulary)


def save_pipeline(pipeline: TextToVideoPipeline, root: Path | str, *, shard_bytes: int = DEFAULT_SHARD_BYTES) -> None:
    """Writes a whole model folder that `load_pipeline` reads.

    Raises:
        TypeError: If VAE or text encoders are not modules of this process.
    """
    root = Path(root)
    folder = ModelFolder(root)
    if not isinstance(pipeline.vae, VideoVAE) or not isinstance(pipeline.text_encoder, BilingualTextEncoder):
        raise TypeError("only a pipeline whose VAE and text encoders are in this process can be saved")
    save_weights(pipeline.transformer, folder.transformer, TRANSFORMER_STEM, shard_bytes=shard_bytes)
    write_json(
        folder.transformer / "config.json", {"_class_name": "StepVideoModel", **pipeline.transformer.cfg.to_dict()}
    )
    save_vae(pipeline.vae, root)
    save_text_encoder(pipeline.text_encoder, root, shard_bytes=shard_bytes)
    sampling = pipeline.sampling.to_dict()
    write_json(folder.sampling, sampling)
    scheduler = {key: sampling[key] for key in ("num_train_timesteps", "reverse", "solver")}
    write_json(folder.scheduler_config, {"_class_name": "FlowMatchDiscreteScheduler", **scheduler})
    parts = {
        "scheduler": ["stepvideo", "FlowMatchDiscreteScheduler"],
        "transformer": ["stepvideo", "StepVideoModel"],
    }
    write_json(folder.model_index, {"_class_name": "StepVideoPipeline", **parts})


def _shards(state: Mapping[str, Tensor], shard_bytes: int) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, tensor in state.items():
        if names and size + _bytes(tensor) > shard_bytes:
            yield names
            names, size = [], 0
        names.append(name)
        size += _bytes(tensor)
    yield names


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _write_file(tensors: Mapping[str, Tensor], file: Path) -> None:
    partial = file.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)
    os.replace(partial, file)
