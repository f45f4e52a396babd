"""Ranks that load a model folder together; runs on all ranks of a group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from reference_model.checkpoint import load_pipeline
from reference_model.checkpoint.sources import SafetensorsSource
from reference_model.parallel import ParallelConfig
from reference_model.text.encoder import BilingualTextEncoder

SMALL = {"num_frames": 34, "height": 32, "width": 16, "num_steps": 2, "guidance_scale": 3.0}


class CountedSlice:
    """A slice of a file that notes how many numbers were asked of it."""

    def __init__(self, whole: Any, asked: list[int]) -> None:
        self.whole, self.asked = whole, asked

    def __getitem__(self, part: Any) -> torch.Tensor:
        values = self.whole[part]
        self.asked.append(values.numel())
        return values


def loaded(folder: Path, parallel: ParallelConfig) -> dict[str, Any]:
    """A clip's distance from one process, pixels that differ, numbers read, and bytes that the models hold."""
    asked: list[int] = []
    slices = SafetensorsSource.slices
    SafetensorsSource.slices = lambda source: ((name, CountedSlice(one, asked)) for name, one in slices(source))
    pipeline = load_pipeline(folder, parallel=parallel, device="cpu", dtype=torch.float32)
    SafetensorsSource.slices = slices
    alone = load_pipeline(folder, dtype=torch.float32)
    (clip,), (expected,) = (one("一个红的圆向左移动", seeds=3, **SMALL) for one in (pipeline, alone))
    assert isinstance(pipeline.text_encoder, BilingualTextEncoder)
    assert isinstance(alone.text_encoder, BilingualTextEncoder)
    return {
        "shape": tuple(clip.frames.shape),
        "pixels": int((clip.frames.int() - expected.frames.int()).abs().max()),
        "equal": float((clip.frames == expected.frames).float().mean()),
        "spread": float(expected.frames.float().std()),
        "read": sum(asked),
        "largest": max(asked),
        "held": held(pipeline.transformer) + held(pipeline.text_encoder.llm),
        "whole": held(alone.transformer) + held(alone.text_encoder.llm),
        "cut": sum(isinstance(value, DTensor) for value in pipeline.transformer.parameters()),
    }


def held(model: nn.Module) -> int:
    """Bytes of the storage that this process keeps for a model's weights, whatever of it is looked at."""
    parts = [value.to_local() if isinstance(value, DTensor) else value for value in model.parameters()]
    return sum(part.untyped_storage().nbytes() for part in parts)


def refused(folder: Path, parallel: ParallelConfig) -> str:
    """What is said before anything is loaded."""
    from reference_model.checkpoint import load

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("something was loaded")

    load.load_vae = never  # type: ignore[assignment]
    try:
        load_pipeline(folder, parallel=parallel, device="cpu")
    except ValueError as error:
        return str(error)
    return "nothing"
