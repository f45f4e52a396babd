"""Folders that keep what was computed once: who they belong to, and files that are whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reference_model.errors import CheckpointError


def claim_folder(note: Path, owner: Mapping[str, Any]) -> None:
    """Notes whose folder it is; from then on the folder is refused to all others.

    Args:
        note: A JSON file in the folder; both are made if need be.
        owner: Everything that the folder's content depends on, of JSON types.

    Raises:
        CheckpointError: If the folder belongs to another owner, with what differs.
    """
    now = json.loads(json.dumps(owner))
    note.parent.mkdir(parents=True, exist_ok=True)
    if not note.is_file():
        partial = note.with_name(f".{note.name}.partial")
        partial.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, note)
        return
    try:
        before = dict(json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{note} cannot be read: {error}", hint=f"remove {note.parent}") from error
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        values = "; ".join(f"{key} was {_shown(before.get(key))}, is {_shown(now.get(key))}" for key in changed)
        raise CheckpointError(
            f"{note.parent} was made for something else: {values}", hint="remove the folder, or use another one"
        )


def write_tensors(file: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes a safetensors file under a temporary name and moves it into place."""
    partial = file.with_name(f".{file.name}.partial")
    values = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(values, partial, dict(metadata) if metadata is not None else None)
    os.replace(partial, file)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file that `write_tensors` wrote.

    Raises:
        CheckpointError: If it is damaged.
    """
    try:
        with safe_open(file, "pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}", hint="remove it, so that it is made anew") from error


def state_digest(module: nn.Module) -> str:
    """Sha256 over all names and values in a module's state dict, whatever its dtype and device."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} ".encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
