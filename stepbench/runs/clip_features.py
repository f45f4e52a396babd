"""Features of decoded clips by the network of a set metric, several clips to a pass where that is of use."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from stepbench.runs.score_worker import one_thread

if TYPE_CHECKING:
    import numpy as np


def features_of_clips(metric: Any, clips: Sequence[np.ndarray | str], per_pass: int) -> list[np.ndarray | str]:
    """The features of each clip, float32 (d,), or why there are none, in the order of the clips.

    Args:
        metric: A set metric.
        clips: uint8 (t, 3, h, w), or why a clip could not be read.
        per_pass: Every pass of the network has exactly so many clips of one shape; those that lack are filled up with
            copies, so that a clip gets the same kernels, and the same bits, in any company.
    """
    found: list[np.ndarray | str] = [clip if isinstance(clip, str) else "" for clip in clips]
    places = [place for place, clip in enumerate(clips) if not isinstance(clip, str)]
    shape = {place: getattr(clips[place], "shape", ()) for place in places}
    for _, group in groupby(sorted(places, key=shape.__getitem__), key=shape.__getitem__):
        same = list(group)
        for start in range(0, len(same), per_pass):
            chosen = same[start : start + per_pass]
            for place, one in zip(chosen, _of_pass(metric, [clips[p] for p in chosen], per_pass), strict=True):
                found[place] = one
    return found


def _of_pass(metric: Any, clips: Sequence[Any], per_pass: int) -> list[np.ndarray | str]:
    import numpy as np
    import torch

    batch = torch.from_numpy(np.stack([*clips, *[clips[-1]] * (per_pass - len(clips))]))
    try:
        with one_thread():
            return list(metric.features_of(batch)[: len(clips)].numpy())
    except Exception as error:  # noqa: BLE001 - a clip that a backbone chokes on must not lose the clip's other scores
        if len(clips) == 1:
            return [f"{type(error).__name__}: {str(error) or 'no message'}"]
        return [one for clip in clips for one in _of_pass(metric, [clip], per_pass)]
