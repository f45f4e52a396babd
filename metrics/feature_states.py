"""The state of metrics of sets: the features of every clip of both sides, merged and kept without moving a bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from metrics.errors import FeatureError, MetricError
from metrics.state_identity import identity_number, one_identity
from metrics.torchmetrics_base import Metric

SIDES = ("features", "reference_features")


class FeatureStates(Metric):
    """Two lists of float32 rows, one row per clip, and whose features these are.

    Rows are read in an order that depends on their content alone, so batches, shards and processes may come in any
    order. States can be put together only where the features are those of the same backbone, weights and policy.

    Args:
        feature_id: Backbone, weights and policy behind the features.
        width: Numbers per clip.
        **kwargs: Options of `torchmetrics.Metric`.
    """

    full_state_update = False

    features: list[Tensor]
    reference_features: list[Tensor]
    identity: Tensor

    def __init__(self, feature_id: str, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.feature_id = feature_id
        self.width = width
        for side in SIDES:
            self.add_state(side, [], dist_reduce_fx="cat")
        self.add_state("identity", torch.tensor(identity_number(feature_id)), dist_reduce_fx=one_identity)

    def state_dict(
        self, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """The persistent states (`metric.persistent(True)` makes them so), every one a single tensor.

        So it can be kept as safetensors, and read back without unpickling.
        """
        state = super().state_dict(destination, prefix=prefix, keep_vars=keep_vars)
        for side in SIDES:
            if prefix + side in state:
                state[prefix + side] = self._joined(side)
        return state

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "identity")
        if saved is not None and int(saved) != identity_number(self.feature_id):
            raise MetricError(
                f"the saved features are not those of {self.feature_id}",
                hint="build the metric with the backbone, weights and options that it had then",
            )
        super()._load_from_state_dict(state_dict, prefix, *args)
        for side in SIDES:
            rows = getattr(self, side)
            if isinstance(rows, Tensor):
                setattr(self, side, [rows] if len(rows) else [])
        self._state_came()

    def _state_came(self) -> None:
        """Forget the value that torchmetrics keeps, and count the clips that came without `update`."""
        self._computed = None
        self._update_count = max(self._update_count, int(any(len(self._joined(side)) for side in SIDES)))

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> FeatureStates:
        super()._apply(fn, exclude_state=(*exclude_state, *SIDES))
        for side in SIDES:
            # Along to another device, but never to another precision: a model may be cast to half with its metrics.
            rows = [one.to(fn(one[:0]).device) for one in getattr(self, side)]
            setattr(self, side, rows)
        return self

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        for side in SIDES:
            # A process without clips must send a matrix too, or the others cannot put theirs beside it.
            setattr(self, side, [self._joined(side)])
        super()._sync_dist(*args, **kwargs)

    @contextmanager
    def _all_processes(self) -> Iterator[None]:
        """Inside, the rows are those of all processes."""
        syncing = self._to_sync and not self._is_synced
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=syncing, should_unsync=syncing):
            yield

    def _add(self, features: Tensor | None, reference: Tensor | None) -> None:
        for side, rows in zip(SIDES, (features, reference), strict=True):
            if rows is not None and len(rows):
                getattr(self, side).append(rows.to(self.device))

    def _checked(self, rows: Tensor, what: str) -> Float32[Tensor, "batch dimensions"]:
        """Rows as the states keep them.

        Raises:
            FeatureError: Another width, or NaN or infinity; names the row.
        """
        rows = rows.detach().to("cpu", torch.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise FeatureError(f"{what} by {self.feature_id} have shape (n, {self.width}), got {tuple(rows.shape)}")
        bad = np.flatnonzero(~torch.isfinite(rows).all(dim=1).numpy())
        if len(bad):
            raise FeatureError(
                f"{what}: the features hold NaN or infinity for {len(bad)} of {len(rows)}, the first at index {bad[0]}",
                hint="look at that clip and at what the backbone was fed for it",
            )
        return rows

    def _joined(self, side: str) -> Float32[Tensor, "n dimensions"]:
        rows = getattr(self, side)
        if isinstance(rows, Tensor):
            return rows
        return torch.cat(rows) if rows else torch.zeros(0, self.width, device=self.device)

    def _sides(self, *, paired: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Both sides in the order of their content; with `paired`, rows of equal place stay together."""
        features, reference = (self._joined(side).cpu().numpy() for side in SIDES)
        if paired and len(features) == len(reference):
            order = _content_order(np.concatenate([features, reference], axis=1))
            return features[order], reference[order]
        return features[_content_order(features)], reference[_content_order(reference)]


def _content_order(rows: np.ndarray) -> np.ndarray:
    whole = np.ascontiguousarray(rows)
    return np.argsort(whole.view(np.dtype((np.void, whole.strides[0]))).ravel(), kind="stable")
