"""Files that tensors are read from, one tensor at a time: safetensors, whole or in shards, and torch pickles."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reference_model.checkpoint.layout import read_json
from reference_model.errors import CheckpointError

Rename = Callable[[str], str | None]
"""From a name on disk to a name in the model; None skips the tensor."""


@runtime_checkable
class TensorSource(Protocol):
    """Named tensors on disk. Iteration reads one tensor after the other and holds on to none."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        """All (name, tensor) pairs."""
        ...


class SafetensorsSource:
    """One safetensors file, or a folder of shards, usually with their index `<stem>.safetensors.index.json`.

    Without an index, all `<stem>-*-of-*.safetensors` of the folder make up the model.

    Args:
        path: The file or the folder.
        stem: Start of the file names in a folder.

    Raises:
        CheckpointError: If a file is missing or damaged, two hold the same tensor, or index and shards disagree.
    """

    def __init__(self, path: Path, stem: str = "model") -> None:
        self.path = path
        self._index = path / f"{stem}.safetensors.index.json"
        listed = _weight_map(self._index) if self._index.is_file() else {}
        if listed:
            self._files = [path / name for name in sorted(set(listed.values()))]
        else:
            single = path / f"{stem}.safetensors" if path.is_dir() else path
            shards = [] if single.is_file() else sorted(path.glob(f"{stem}-*-of-*.safetensors"))
            self._files = shards or [single]
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        for file in self._files:
            shapes, dtypes = _read_header(file)
            if listed:
                _compare_with_index(self._index, file, listed, shapes)
            for name in shapes.keys() & self.shapes.keys():
                raise CheckpointError(f"{file} holds tensor {name!r}, which another file beside it holds too")
            self.shapes |= shapes
            self.dtypes |= dtypes

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for file in self._files:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a dict
                    yield name, tensors.get_tensor(name)

    def slices(self) -> Iterator[tuple[str, Any]]:
        """All (name, slice) pairs; indexing a slice like a tensor reads that part of it, and nothing else."""
        for file in self._files:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a dict
                    yield name, tensors.get_slice(name)


class TorchSource:
    """A state dict that `torch.save` wrote; nothing but tensors and plain containers is unpickled.

    Raises:
        CheckpointError: If there is no such file or it holds anything else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise CheckpointError(f"file not found: {path}")
        try:
            # A zip archive is mapped into memory and read tensor by tensor; the older format cannot be.
            self._tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except Exception as error:  # the bytes decide at what, and with what, reading a pickle fails
            raise CheckpointError(
                f"{path} cannot be read as plain tensors: {error}", hint="convert it to safetensors where it is trusted"
            ) from error
        if not isinstance(self._tensors, dict) or not all(isinstance(t, Tensor) for t in self._tensors.values()):
            raise CheckpointError(f"{path} must hold a dict of tensors")
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}
        self.dtypes = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in self._tensors.items()}

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        # Copies, so that the model does not keep the mapped file open.
        return ((name, tensor.clone()) for name, tensor in self._tensors.items())


class RenamedSource:
    """Another source under the names of a model.

    Raises:
        CheckpointError: If two tensors get the same name.
    """

    def __init__(self, source: TensorSource, rename: Rename) -> None:
        self.path = source.path
        self._source = source
        self._rename = rename
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        for name, shape in source.shapes.items():
            new = rename(name)
            if new in self.shapes:
                raise CheckpointError(f"{source.path}: two tensors stand for {new!r}, one of them is {name!r}")
            if new is not None:
                self.shapes[new] = shape
                self.dtypes[new] = source.dtypes[name]

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self._source:
            new = self._rename(name)
            if new is not None:
                yield new, tensor


def holds_numbers(dtype: str) -> bool:
    """Whether a dtype, as safetensors or torch call it, is one of floating-point numbers: `BF16`, `float8_e4m3fn`."""
    return dtype.lower().removeprefix("b").startswith("f")


def _weight_map(index: Path) -> dict[str, str]:
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(file, str) for file in listed.values()):
        raise CheckpointError(
            f"{index} must have a 'weight_map' from names of tensors to files", hint="download or copy the file again"
        )
    return listed


def _read_header(file: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    if not file.is_file():
        raise CheckpointError(f"file not found: {file}")
    try:
        with safe_open(file, framework="pt") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - not a dict
            shapes = {name: tuple(one.get_shape()) for name, one in slices.items()}
            return shapes, {name: one.get_dtype() for name, one in slices.items()}
    except SafetensorError as error:
        raise CheckpointError(f"{file} is damaged: {error}", hint="download or copy the file again") from error


def _compare_with_index(index: Path, file: Path, listed: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> None:
    expected = {name for name, shard in listed.items() if shard == file.name}
    for name in sorted(expected - shapes.keys()):
        raise CheckpointError(f"{index} promises tensor {name!r} in {file.name}, but it is not there")
    for name in sorted(shapes.keys() - expected):
        raise CheckpointError(f"{file} holds tensor {name!r}, which {index.name} does not place there")
