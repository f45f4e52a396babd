"""Sharded loading: models are cut on the meta device, then every process reads its own parts of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard

from reference_model.checkpoint.configs import read_config, read_sampling
from reference_model.checkpoint.empty import without_values
from reference_model.checkpoint.layout import LLM_STEM, TRANSFORMER_STEM, ModelFolder
from reference_model.checkpoint.load import check_shapes, load_text_encoder, load_vae, weight_dtype
from reference_model.checkpoint.sources import SafetensorsSource
from reference_model.config import SamplingConfig, StepLLMConfig, TransformerConfig
from reference_model.parallel.config import ParallelConfig
from reference_model.parallel.pipeline import share_work
from reference_model.parallel.ranks import join
from reference_model.parallel.tensor import Sections, llm_sections, rows_of, split_step_llm, split_transformer
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.serving.remote import RemoteTextEncoder, RemoteVAE
from reference_model.text.step_llm import StepLLM
from reference_model.transformer.model import StepVideoTransformer


def load_parallel_pipeline(
    root: Path | str,
    parallel: ParallelConfig,
    *,
    text_url: str | None = None,
    vae_url: str | None = None,
    token: str | None = None,
    timeout: float = 600.0,
    sampling: SamplingConfig | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> TextToVideoPipeline:
    """A model folder as one pipeline over all processes of a `torchrun`, which all call this alike.

    What tensor parallelism cuts, and Step-LLM, is read in parts: no process ever holds a whole one. CLIP and the VAE
    (0.9 billion parameters, released) are on every process.

    Args:
        root: Model folder.
        parallel: Degrees.
        text_url: See `load_remote_pipeline`; so are the next ones.
        vae_url: If it is given, every process that decodes asks for the whole clip.
        token: Of the servers.
        timeout: Seconds to wait for an answer.
        sampling: See `load_pipeline`.
        device: `cpu`, `cuda` or None, which takes a GPU where there is one; each process has one of its own.
        dtype: Of what is loaded; None takes `sampling.dtype`.

    Raises:
        ConfigError: Before anything is loaded, if the degrees do not fit the model or the processes.
        CheckpointError: For missing or damaged files.
    """
    folder = ModelFolder(Path(root))
    cfg = read_config(TransformerConfig, folder.transformer / "config.json")
    llm_cfg = read_config(StepLLMConfig, folder.llm / "config.json")
    sampling = read_sampling(folder) if sampling is None else sampling
    dtype = weight_dtype(sampling) if dtype is None else dtype
    parallel.require_heads(cfg)
    ranks = join(parallel, llm_groups=llm_cfg.num_attention_groups, device=device)
    vae = load_vae(root, device=ranks.device, dtype=dtype) if vae_url is None else RemoteVAE(vae_url, token, timeout)
    if text_url is None:
        llm = load_llm_share(folder, llm_cfg, ranks.text, device=ranks.device, dtype=dtype)
        text_encoder = load_text_encoder(root, device=ranks.device, dtype=dtype, llm=llm)
    else:
        text_encoder = RemoteTextEncoder(text_url, token, timeout)
    transformer = load_transformer_share(folder, cfg, ranks.mesh["tensor"], device=ranks.device, dtype=dtype)
    pipeline = TextToVideoPipeline(transformer, vae, text_encoder, sampling)
    share_work(pipeline, parallel, ranks)
    return pipeline


def load_transformer_share(
    folder: ModelFolder,
    cfg: TransformerConfig,
    mesh: DeviceMesh,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> StepVideoTransformer:
    """This process' part of the transformer. Errors: `load_shares`."""
    with without_values():
        model = StepVideoTransformer(cfg)
    if mesh.size() > 1:
        split_transformer(model, mesh)
    load_shares(model, SafetensorsSource(folder.transformer, TRANSFORMER_STEM), device=device, dtype=dtype)
    return model


def load_llm_share(
    folder: ModelFolder,
    cfg: StepLLMConfig,
    mesh: DeviceMesh,
    *,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> StepLLM:
    """This process' part of Step-LLM. Errors: `load_shares`."""
    with without_values():
        model = StepLLM(cfg)
    sections = llm_sections(model)
    if mesh.size() > 1:
        split_step_llm(model, mesh)
    source = SafetensorsSource(folder.llm, LLM_STEM)
    load_shares(model, source, sections=sections, device=device, dtype=dtype)
    return model


def load_shares(
    model: nn.Module,
    source: SafetensorsSource,
    *,
    sections: Sections | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Fills a model that was cut on the meta device; of every file only this process' parts are read.

    Args:
        model: With `DTensor` parameters where it is cut.
        source: Where the whole tensors are.
        sections: Of fused weights.
        device: Where the parts end up; None means the CPU.
        dtype: What they are cast to; None keeps the dtype on disk.

    Raises:
        CheckpointError: For a missing, unexpected or misshapen tensor, by name, before anything is read.
    """
    check_shapes(model, source)
    for name, whole in source.slices():
        replace_parameter(model, name, whole, sections=(sections or {}).get(name), device=device, dtype=dtype)


def replace_parameter(
    model: nn.Module,
    name: str,
    whole: Any,
    *,
    sections: tuple[int, ...] | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Puts this process' part of a tensor on disk in the place of a parameter that is cut. See `load_shares`."""
    parent, _, leaf = name.rpartition(".")
    holder = model.get_submodule(parent)
    old = getattr(holder, leaf)
    part = read_share(whole, old, sections).to(device, dtype)
    if isinstance(old, DTensor):
        part = DTensor.from_local(
            part, old.device_mesh, old.placements, run_check=False, shape=old.shape, stride=old.stride()
        )
    setattr(holder, leaf, nn.Parameter(part, requires_grad=old.requires_grad))


def read_share(whole: Any, parameter: Tensor, sections: tuple[int, ...] | None = None) -> Tensor:
    """This process' part of a tensor on disk, as the placement of the parameter says.

    Args:
        whole: A slice of a safetensors file; what is not asked for is not read.
        parameter: A `DTensor` on a mesh of one dimension, or a plain tensor, which is read whole.
        sections: Rows of the sections of a fused weight that is cut along its rows.
    """
    if not isinstance(parameter, DTensor) or not isinstance(parameter.placements[0], Shard):
        return whole[...].clone()
    dim = parameter.placements[0].dim
    rank, degree = parameter.device_mesh.get_local_rank(), parameter.device_mesh.size()
    if dim == 0 and sections is not None:
        return torch.cat([whole[rows] for rows in rows_of(sections, rank, degree)])
    share = -(-parameter.shape[dim] // degree)
    own = slice(min(rank * share, parameter.shape[dim]), min((rank + 1) * share, parameter.shape[dim]))
    return (whole[own] if dim == 0 else whole[:, own]).clone(memory_format=torch.contiguous_format)
