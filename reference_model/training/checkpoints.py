"""Checkpoints of a training run: safetensors and JSON, complete or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from reference_model.errors import CheckpointError

STATE_FILE = "state.json"


@dataclass
class TrainingState:
    """Everything a run needs to go on as if it had not stopped, besides the weights that it does not train.

    Random numbers and the position in the data are functions of the seed and the step, so the step stands for both.

    Attributes:
        step: Optimiser steps done.
        tensors: Part (`model`, `ema`, `optimiser`, ...) -> name -> tensor, whole and on the CPU.
        numbers: Anything else of JSON type.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    numbers: dict[str, Any] = field(default_factory=dict)


def save_state(state: TrainingState, folder: Path, *, keep: int) -> Path:
    """Writes `step-<step>` into `folder` under a temporary name, moves it into place, and removes the oldest ones.

    Raises:
        CheckpointError: If it cannot be written; those from before stay as they were.
    """
    target, partial = folder / _name(state.step), folder / f".{_name(state.step)}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(".*.partial"):
            shutil.rmtree(stale)
        partial.mkdir()
        digests = {part: _write_part(partial / f"{part}.safetensors", values) for part, values in state.tensors.items()}
        _write_numbers(partial / STATE_FILE, {"step": state.step, "parts": digests, **state.numbers})
        if target.exists():  # a damaged one, which was refused when the run was started
            shutil.rmtree(target)
        os.replace(partial, target)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"the checkpoint of step {state.step} cannot be written to {folder}: {error}",
            hint="make room on the disk and start again: the run goes on from the checkpoint before",
        ) from error
    for old in _complete(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def load_state(folder: Path) -> TrainingState | None:
    """The newest checkpoint of a run, None where there is none yet.

    Raises:
        CheckpointError: If its files cannot be read, or are not as they were written.
    """
    checkpoints = _complete(folder)
    if not checkpoints:
        return None
    newest = checkpoints[-1]
    try:
        numbers = json.loads((newest / STATE_FILE).read_text(encoding="utf-8"))
        step, parts = numbers.pop("step"), numbers.pop("parts")
        tensors = {part: load_file(newest / f"{part}.safetensors") for part in parts}
        # The first version wrote a list of parts, without digests.
        digests = parts if isinstance(parts, dict) else {}
        damaged = [part for part in digests if _digest(newest / f"{part}.safetensors") != digests[part]]
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
        raise _damaged(newest, str(error)) from error
    if damaged:
        raise _damaged(newest, f"{damaged[0]}.safetensors has changed since it was written")
    return TrainingState(step=step, tensors=tensors, numbers=numbers)


def frozen_fingerprint(model: nn.Module) -> str:
    """Digest of a few values of each weight that is not trained: checkpoints lack these weights but rely on them.

    It is the same for a model in parts, of which all processes must call this alike.
    """
    frozen = {name: value.detach() for name, value in model.named_parameters() if not value.requires_grad}
    few = {name: _few_values(value) for name, value in frozen.items()}
    if any(isinstance(value, DTensor) for value in frozen.values()):
        everywhere: list[dict[str, bytes]] = [{}] * dist.get_world_size()
        dist.all_gather_object(everywhere, {name: few[name] for name in frozen if isinstance(frozen[name], DTensor)})
        few |= {name: b"".join(one[name] for one in everywhere) for name in everywhere[0]}
    digest = hashlib.sha256()
    for name, value in frozen.items():
        digest.update(f"{name} {tuple(value.shape)} ".encode() + few[name])
    return digest.hexdigest()


def _few_values(value: Tensor) -> bytes:
    """Of every 64th of a weight its first value, as float32; of a weight in parts, those that this process has."""
    every = max(1, value.numel() // 64)
    own, before = value, 0
    if isinstance(value, DTensor):
        own = value.to_local()
        rows = -(-value.shape[0] // value.device_mesh.size())
        before = min(value.device_mesh.get_local_rank() * rows, value.shape[0]) * (value.numel() // value.shape[0])
    return own.flatten()[-before % every :: every].float().cpu().numpy().tobytes()


def _damaged(checkpoint: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {checkpoint} is damaged: {reason}", hint="remove this folder to go on from the one before"
    )


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _complete(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if (path / STATE_FILE).is_file())


def _write_part(file: Path, tensors: dict[str, Tensor]) -> str:
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, file)
    _sync(file)
    return _digest(file)


def _write_numbers(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _sync(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    """Makes sure that a file, or the entries of a folder, outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
