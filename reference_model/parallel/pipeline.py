"""A pipeline whose work is shared among processes: every kind of parallelism, applied in order."""

from __future__ import annotations

from reference_model.parallel.config import ParallelConfig
from reference_model.parallel.guidance import split_guidance
from reference_model.parallel.ranks import Ranks, join
from reference_model.parallel.tensor import split_step_llm, split_transformer
from reference_model.parallel.ulysses import split_sequence
from reference_model.parallel.vae_chunks import split_decoding
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.vae.model import VideoVAE

WITHOUT_MODEL = 1
"""Groups of keys and values where Step-LLM is not here to be cut."""


def parallelise(pipeline: TextToVideoPipeline, parallel: ParallelConfig) -> None:
    """Shares the work of a finished pipeline among the processes of a `torchrun`, in place; all call it alike.

    Every process must hold the same whole weights at first. `load_parallel_pipeline` makes the same without ever
    holding more than a process' own part.

    Raises:
        ConfigError: For degrees that fit neither the heads nor the processes.
    """
    parallel.require_heads(pipeline.transformer.cfg)
    encoder = pipeline.text_encoder
    llm = encoder.llm if isinstance(encoder, BilingualTextEncoder) else None
    groups = WITHOUT_MODEL if llm is None else llm.cfg.num_attention_groups
    ranks = join(parallel, llm_groups=groups, device=next(pipeline.transformer.parameters()).device.type)
    if parallel.tensor > 1:
        split_transformer(pipeline.transformer, ranks.mesh["tensor"])
    if llm is not None and ranks.text.size() > 1:
        split_step_llm(llm, ranks.text)
    share_work(pipeline, parallel, ranks)


def share_work(pipeline: TextToVideoPipeline, parallel: ParallelConfig, ranks: Ranks) -> None:
    """What needs no other weights: runs of tokens, texts of guidance, chunks of the VAE."""
    split_sequence(pipeline.transformer, ranks.mesh["ulysses"])
    split_guidance(pipeline.transformer, ranks.mesh["guidance"])
    if parallel.vae and isinstance(pipeline.vae, VideoVAE):
        split_decoding(pipeline.vae)
