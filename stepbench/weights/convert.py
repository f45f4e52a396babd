"""A pickled checkpoint rewritten as safetensors, so that no metric ever opens a pickle."""

from __future__ import annotations

from pathlib import Path

from stepbench.errors import IncompleteError


def convert_pickle(pickle: Path) -> str:
    """Write `model.safetensors` beside a PyTorch checkpoint and delete the checkpoint.

    The checkpoint is read by `torch.load(weights_only=True)`, which builds tensors and plain containers and runs no
    code of the file. Tensors that share memory are written out each.

    Returns:
        The name of the new file.

    Raises:
        IncompleteError: The file is damaged, or holds more than tensors.
    """
    import torch
    from safetensors.torch import save_file

    try:
        content = torch.load(pickle, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged or hostile pickle raises is open; the reason is kept
        raise IncompleteError(
            f"{pickle.name} holds more than tensors, or is damaged: {type(error).__name__}",
            hint="ask its publisher for safetensors",
        ) from error
    tensors = content if isinstance(content, dict) else {}
    if not tensors or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise IncompleteError(
            f"{pickle.name} is no dictionary of tensors by name", hint="ask its publisher for safetensors"
        )
    target = pickle.with_name("model.safetensors")
    unfinished = target.with_name(f".{target.name}.tmp")
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, unfinished, {"format": "pt"})
    unfinished.replace(target)
    pickle.unlink()
    return target.name
