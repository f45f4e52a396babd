"""Tensors as bytes: safetensors and nothing else. Both sides distrust what arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from reference_model.serving.errors import ServingError

JSON_TYPE = "application/json"
TENSORS_TYPE = "application/octet-stream"
SERVICE = "reference_model.serving"
PROTOCOL = 1
"""Raised whenever older clients could misread an answer."""

MAX_HEADER_BYTES = 2**16
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
INTEGERS = {"I64": torch.int64}


@dataclass(frozen=True, kw_only=True)
class TensorRule:
    """What one tensor must look like.

    Attributes:
        dtypes: Allowed dtypes by their safetensors names.
        ndim: Number of dimensions, none of them 0.
        optional: The tensor may be absent.
    """

    dtypes: Mapping[str, torch.dtype]
    ndim: int
    optional: bool = False


CLIPS = {"clips": TensorRule(dtypes=FLOATS, ndim=5)}
LATENTS = {"latents": TensorRule(dtypes=FLOATS, ndim=5)}
MOMENTS = {"mean": TensorRule(dtypes=FLOATS, ndim=5), "logvar": TensorRule(dtypes=FLOATS, ndim=5)}
TEXT = {
    "llm": TensorRule(dtypes=FLOATS, ndim=3),
    "clip": TensorRule(dtypes=FLOATS, ndim=3, optional=True),
    "mask": TensorRule(dtypes=INTEGERS, ndim=2),
}


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """A safetensors file with these tensors, from any device."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def unpack(body: bytes, rules: Mapping[str, TensorRule]) -> dict[str, Tensor]:
    """The tensors of a safetensors file, which must be exactly those that `rules` name.

    Raises:
        ServingError: For anything else.
    """
    header_bytes = int.from_bytes(body[:8], "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise ServingError(f"a safetensors header may have {MAX_HEADER_BYTES} bytes, this one claims {header_bytes}")
    try:
        entries = dict(safetensors.deserialize(body))
    except safetensors.SafetensorError as error:
        raise ServingError(f"not a valid safetensors body: {str(error)[:200]}") from None
    required = {name for name, rule in rules.items() if not rule.optional}
    if not required <= entries.keys() <= rules.keys():
        raise ServingError(
            f"the body must hold the tensors {sorted(required)}, got {sorted(name[:40] for name in entries)[:8]}"
        )
    return {name: _tensor(name, entry, rules[name]) for name, entry in entries.items()}


def _tensor(name: str, entry: dict, rule: TensorRule) -> Tensor:
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if dtype not in rule.dtypes:
        raise ServingError(f"{name} must have dtype {' or '.join(rule.dtypes)}, got {dtype}")
    if len(shape) != rule.ndim or 0 in shape:
        raise ServingError(f"{name} must have {rule.ndim} dimensions, none of them 0, got shape {shape!s:.200}")
    return torch.frombuffer(entry["data"], dtype=rule.dtypes[dtype]).reshape(shape)
