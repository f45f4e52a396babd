"""The blocks that a model consists of: the units of gradient checkpointing and of sharding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The members of the outermost module lists: blocks of a transformer, levels of a VAE."""
    if isinstance(model, nn.ModuleList):
        return list(model)
    return [block for child in model.children() for block in blocks_of(child)]


@contextmanager
def recomputed(model: nn.Module, *, enabled: bool = True) -> Iterator[None]:
    """Inside, blocks keep only their inputs for the backward pass and compute the rest a second time there.

    Gradients are the same to the last bit where the kernels are deterministic (Chen et al. 2016, arXiv 1604.06174).
    """
    blocks = blocks_of(model) if enabled else []
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # what remains is the method of the class
