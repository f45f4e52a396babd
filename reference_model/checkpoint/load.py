"""Loading: models are built on the meta device, checked against the files, and filled tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from reference_model.checkpoint.configs import read_config, read_sampling, read_vae_config
from reference_model.checkpoint.empty import without_values
from reference_model.checkpoint.layout import CLIP_STEM, LLM_STEM, TRANSFORMER_STEM, ModelFolder
from reference_model.checkpoint.remap import clip_name, vae_name
from reference_model.checkpoint.sources import (
    RenamedSource,
    SafetensorsSource,
    TensorSource,
    TorchSource,
    holds_numbers,
)
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig
from reference_model.errors import CheckpointError
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

if TYPE_CHECKING:
    from reference_model.parallel.config import ParallelConfig

Device = torch.device | str | None
Module = TypeVar("Module", bound=nn.Module)


def load_weights(
    model: nn.Module, source: TensorSource, *, device: Device = None, dtype: torch.dtype | None = None
) -> None:
    """Fills a model with exactly the tensors of a source.

    All names and shapes are compared before the first tensor is read. Then each tensor replaces the parameter of its
    name, so beside the model itself only one tensor is in memory at any moment.

    Args:
        model: Usually built under `without_values()`.
        source: Where the tensors are.
        device: Where parameters end up; None means the CPU.
        dtype: What parameters are cast to; None keeps the dtype on disk.

    Raises:
        CheckpointError: For a missing, unexpected or misshapen tensor, or one of whole numbers, by name.
    """
    check_shapes(model, source)
    for name, tensor in source:
        parent, _, leaf = name.rpartition(".")
        holder = model.get_submodule(parent)
        old = getattr(holder, leaf)
        setattr(holder, leaf, nn.Parameter(tensor.to(device, dtype), requires_grad=old.requires_grad))


def load_transformer(
    root: Path | str, *, device: Device = None, dtype: torch.dtype | None = None
) -> StepVideoTransformer:
    """The transformer of a model folder. Options and errors: `load_weights`."""
    folder = ModelFolder(Path(root))
    cfg = read_config(TransformerConfig, folder.transformer / "config.json")
    source = SafetensorsSource(folder.transformer, TRANSFORMER_STEM)
    return _build(lambda: StepVideoTransformer(cfg), source, device, dtype)


def load_vae(root: Path | str, *, device: Device = None, dtype: torch.dtype | None = None) -> VideoVAE:
    """The Video-VAE of a model folder. Options and errors: `load_weights`."""
    folder = ModelFolder(Path(root))
    cfg = read_vae_config(folder)
    source = RenamedSource(SafetensorsSource(folder.vae_weights), vae_name)
    return _build(lambda: VideoVAE(cfg), source, device, dtype)


def load_step_llm(root: Path | str, *, device: Device = None, dtype: torch.dtype | None = None) -> StepLLM:
    """Step-LLM of a model folder. Options and errors: `load_weights`."""
    folder = ModelFolder(Path(root))
    cfg = read_config(StepLLMConfig, folder.llm / "config.json")
    return _build(lambda: StepLLM(cfg), SafetensorsSource(folder.llm, LLM_STEM), device, dtype)


def load_clip(root: Path | str, *, device: Device = None, dtype: torch.dtype | None = None) -> HunyuanClip:
    """The text tower of a model folder's Hunyuan-CLIP. Options and errors: `load_weights`."""
    folder = ModelFolder(Path(root))
    cfg = read_config(ClipConfig, folder.clip / "config.json")
    return _build(lambda: HunyuanClip(cfg), clip_source(folder), device, dtype)


def clip_source(folder: ModelFolder) -> TensorSource:
    """CLIP's tensors under the names of the model: from the released pickle, or from safetensors as we write them."""
    pickled = folder.clip_pickle.is_file()
    source = TorchSource(folder.clip_pickle) if pickled else SafetensorsSource(folder.clip, CLIP_STEM)
    return RenamedSource(source, clip_name)


def load_text_encoder(
    root: Path | str, *, device: Device = None, dtype: torch.dtype | None = None, llm: StepLLM | None = None
) -> BilingualTextEncoder:
    """Both text encoders of a model folder, with their tokenizers. Options and errors: `load_weights`.

    An `llm` that is given is not loaded again.
    """
    folder = ModelFolder(Path(root))
    llm = load_step_llm(root, device=device, dtype=dtype) if llm is None else llm
    clip = load_clip(root, device=device, dtype=dtype)
    return BilingualTextEncoder(
        llm,
        StepTokenizer(folder.llm_tokenizer, llm.cfg.max_prompt_tokens),
        clip,
        ClipTokenizer(folder.clip_vocabulary, clip.cfg.max_prompt_tokens),
    )


def load_pipeline(
    root: Path | str,
    *,
    sampling: SamplingConfig | None = None,
    device: Device = None,
    dtype: torch.dtype | None = None,
    parallel: ParallelConfig | None = None,
) -> TextToVideoPipeline:
    """A whole model folder, ready to make clips.

    Args:
        root: The folder: the released one as it is, or one that `save_pipeline` wrote.
        sampling: Default settings. None takes those of the folder, as `read_sampling` says: a Turbo release is
            recognised by its name alone, so give `step_video_t2v_turbo().sampling` where it is called otherwise.
        device: Where all weights go; None means the CPU.
        dtype: What all weights are cast to; None takes `sampling.dtype`.
        parallel: Share the work among the processes of a `torchrun`; each loads its own part of the weights alone.

    Raises:
        CheckpointError: For missing or damaged files, and tensors that do not fit.
        ConfigError: For degrees of parallelism that fit neither the model nor the processes.
    """
    if parallel is not None:
        from reference_model.parallel.load import load_parallel_pipeline

        return load_parallel_pipeline(root, parallel, sampling=sampling, device=device, dtype=dtype)
    folder = ModelFolder(Path(root))
    if sampling is None:
        sampling = read_sampling(folder)
    if dtype is None:
        dtype = weight_dtype(sampling)
    return TextToVideoPipeline(
        load_transformer(root, device=device, dtype=dtype),
        load_vae(root, device=device, dtype=dtype),
        load_text_encoder(root, device=device, dtype=dtype),
        sampling,
    )


def weight_dtype(sampling: SamplingConfig) -> torch.dtype | None:
    """What weights are cast to for sampling; None keeps what is on disk."""
    return None if sampling.dtype == "stored" else getattr(torch, sampling.dtype)


def _build(build: Callable[[], Module], source: TensorSource, device: Device, dtype: torch.dtype | None) -> Module:
    with without_values():
        model = build()
    load_weights(model, source, device=device, dtype=dtype)
    return model


def check_shapes(model: nn.Module, source: TensorSource) -> None:
    """Stops with `CheckpointError` where a source holds other tensors than a model; nothing is read but headers."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    missing = [name for name in expected if name not in source.shapes]
    extra = [name for name in source.shapes if name not in expected]
    if missing:
        raise CheckpointError(f"{source.path} lacks tensor {_first_of(missing)}")
    if extra:
        raise CheckpointError(f"{source.path} holds tensor {_first_of(extra)}, which the model does not have")
    for name, shape in expected.items():
        if source.shapes[name] != shape:
            raise CheckpointError(
                f"{source.path}: tensor {name!r} must have shape {shape}, got {source.shapes[name]}",
                hint="the config beside the weights belongs to another model",
            )
        if not holds_numbers(source.dtypes[name]):
            raise CheckpointError(
                f"{source.path}: tensor {name!r} must hold floating-point numbers, got {source.dtypes[name]}"
            )


def _first_of(names: list[str]) -> str:
    return repr(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
