"""Measures the memory of tensors, on any device, the shapeless `meta` one included."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside the block; those that come from outside do not count.

    What a kernel allocates and frees by itself is not seen. Counting costs time, so do not measure both at once.

    Attributes:
        peak: Most bytes alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        self._alive: dict[int, weakref.ref] = {}
        self._outside: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, torch.Tensor) and leaf.untyped_storage()._cdata not in self._alive:
                self._leave_out(leaf.untyped_storage())
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        self.peak = max(self.peak, self._now)
        return result

    def _leave_out(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        # Once it is freed, its address may be given to a tensor that does count.
        self._outside[key] = weakref.ref(storage, lambda _: self._outside.pop(key, None))

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive or key in self._outside:
            return

        def forget(_: weakref.ref) -> None:
            if self._alive.pop(key, None) is not None:
                self._now -= size

        self._alive[key] = weakref.ref(storage, forget)
        self._now += size
