"""The identity of a Step-Video model folder, without reading all of its 120 GB."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from reference_model.checkpoint.layout import ModelFolder
from reference_model.memory.estimate import ELEMENT_BYTES, RELEASED_DTYPES
from stepbench.canonical import sha256_json
from stepbench.errors import UsageError

PARTS = (
    "sampling.json",
    "scheduler/scheduler_config.json",
    "transformer/*",
    "vae/config.json",
    "vae/vae_v2.safetensors",
    "step_llm/*",
    "hunyuan_clip/*/*",
)
"""What of a folder decides a clip, as patterns; documents, libraries and other versions of the VAE stay out."""

_SUFFIXES = {".safetensors", ".bin", ".json", ".model", ".txt"}
_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_END_BYTES = 2**20
_LONGEST_HEADER = 10**8
WHOLE_BYTES = 8 * 2**20
"""Files up to this size are hashed whole."""


def weights_hash(folder: Path) -> str:
    """Hex sha256 over the folder's configs, tokenizers and weights, in seconds whatever its size.

    A file above `WHOLE_BYTES` enters with its name, size, the header of a safetensors file (all names, shapes, dtypes)
    and its first and last MiB. Weights of another training run differ in all of these bytes; a change in the middle of
    such a file that keeps its size is not seen.
    """
    files = {
        path.relative_to(root).as_posix(): path
        for root, part in _located(folder)
        for path in root.glob(part)
        if path.suffix in _SUFFIXES and path.is_file()
    }
    return sha256_json([[name, path.stat().st_size, _digest(path)] for name, path in sorted(files.items())])


def stored_dtypes(folder: Path) -> dict[str, str]:
    """Dtype of each part's weights by the header of its first file; where there is none to read, the released one."""
    located = ModelFolder(folder)
    firsts = {
        "transformer": sorted(located.transformer.glob("*.safetensors")),
        "vae": sorted(located.vae_weights.parent.glob("vae_v2.safetensors")),
        "llm": sorted(located.llm.glob("*.safetensors")),
        "clip": sorted(located.clip.glob("*.safetensors")),
    }
    return {part: _header_dtype(files[0]) if files else RELEASED_DTYPES[part] for part, files in firsts.items()}


def _located(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each pattern with the folder that its part is in: this one, or the one it is based on."""
    for part in PARTS:
        yield ModelFolder(folder).part(part.split("/")[0]).parent, part


def _header_dtype(file: Path) -> str:
    with file.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        try:
            entries = json.loads(handle.read(min(size, _LONGEST_HEADER)))
            dtypes = {entry["dtype"] for name, entry in entries.items() if name != "__metadata__"}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{file} is no safetensors file", hint="download or copy the file again") from error
    largest = max(dtypes & _DTYPES.keys(), key=lambda dtype: ELEMENT_BYTES[_DTYPES[dtype]], default=None)
    if largest is None:
        raise UsageError(f"{file} holds weights of an unknown dtype: {', '.join(sorted(dtypes))}")
    return _DTYPES[largest]


def _digest(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as handle:
        if size <= WHOLE_BYTES:
            return hashlib.file_digest(handle, "sha256").hexdigest()
        head = _END_BYTES
        if path.suffix == ".safetensors":
            head += min(int.from_bytes(handle.read(8), "little"), _LONGEST_HEADER)
            handle.seek(0)
        digest = hashlib.sha256(handle.read(head))
        handle.seek(max(size - _END_BYTES, handle.tell()))
        digest.update(handle.read())
    return digest.hexdigest()
