"""Is a clip too close to one of a reference set, such as the training clips?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metrics.errors import MetricError, UnavailableMetricError
from metrics.governance.flag import ReviewFlag, flag_card
from metrics.governance.reference_set import LAYOUT, ClipDescriber, ReferenceSet
from metrics.view import ClipView

FILE_VARIABLE = "STEPBENCH_REFERENCE_CLIPS"
THRESHOLD = 0.95


@dataclass(frozen=True)
class Nearest:
    """The reference clip that is closest, and its cosine."""

    id: str
    cosine: float


class NearDuplicate(ReviewFlag):
    """Flags clips whose vector has a cosine to the nearest reference clip at or above a threshold.

    The threshold belongs to the features and to the material: look at some pairs around it before you rely on it.

    Args:
        reference: A set, or its file as `ReferenceSet.save` wrote it; by default the file that the variable
            STEPBENCH_REFERENCE_CLIPS names. It is part of the metric's id.
        threshold: A cosine, above 0 and at most 1.
        features: What the vectors are made with: `layout`, or an image network; the reference's own.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        UnavailableMetricError: There is no reference set, or the weights are not on this machine.
        MetricError: The reference was made with other features, or the threshold is no cosine.

    Example:
        >>> import metrics, torch
        >>> from metrics.governance.reference_set import ReferenceSet
        >>> clip = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        >>> flag = metrics.build("near_duplicate", reference=ReferenceSet.of([("train/7", clip)]))
        >>> flag.update(torch.stack([clip, 255 - clip]))
        >>> float(flag.compute())
        0.5
        >>> flag.nearest(metrics.ClipView(clip)).id
        'train/7'
    """

    card = flag_card(
        "near_duplicate",
        "Near-duplicate of a reference clip",
        policy="8even",
        backbone=LAYOUT,
        formula="1 if max over reference clips r of cos(v(clip), v(r)) >= threshold, else 0; v = mean over 8 frames",
        source="ours",
        sees="copies, re-encodings and light edits of reference clips; with a network also likenesses",
        blind_to="clips that the reference lacks; by `layout` what is moved, mirrored or cropped; the order of frames",
    )

    def __init__(
        self,
        *,
        reference: ReferenceSet | str | Path | None = None,
        threshold: float = THRESHOLD,
        features: str | Path = LAYOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < threshold <= 1:
            raise MetricError(f"threshold must be a cosine above 0 and at most 1, got {threshold}")
        self.reference = reference if isinstance(reference, ReferenceSet) else ReferenceSet.load(_file(reference))
        self.threshold = threshold
        self.features = features
        made_here = ClipDescriber(features).id
        if made_here != self.reference.describer:
            raise MetricError(
                f"the reference set was made with {self.reference.describer}, and clips are described with {made_here}",
                hint="give the features that the set was made with, or make it anew",
            )
        self.card = replace(
            type(self).card,
            policy=f"8even-t{threshold:g}",
            backbone=made_here.partition(":")[0],
            weights_hash=self.reference.hash,
        )

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the file of the reference set."""
        _file(None)

    def frames_seen(self, frames: int) -> Sequence[int]:
        """8, evenly spaced."""
        return ClipDescriber(self.features).frames_seen(frames)

    def nearest(self, view: ClipView) -> Nearest:
        """The reference clip that is closest."""
        return view.once(("nearest", self.card.id), lambda: self._nearest(view))

    def reason(self, view: ClipView) -> str:
        """Which reference clip it is, and how close."""
        nearest = self.nearest(view)
        return f"cosine {nearest.cosine:.3f} to {nearest.id}" if nearest.cosine >= self.threshold else ""

    def _nearest(self, view: ClipView) -> Nearest:
        cosines = self.reference.vectors.double() @ ClipDescriber(self.features).describe(view.frames)
        place = int(cosines.argmax())
        # Single precision in the file can put the cosine of a clip to itself a little off 1.
        return Nearest(self.reference.ids[place], round(float(cosines[place]), 6))


def _file(reference: str | Path | None) -> Path:
    given = reference if reference is not None else os.environ.get(FILE_VARIABLE)
    if not given or not Path(given).is_file():
        raise UnavailableMetricError(
            f"near_duplicate has no reference set: {given or FILE_VARIABLE + ' is not set'}",
            hint=f"make one with `python -m stepbench.reference_clips FOLDER FILE`, and name it in {FILE_VARIABLE}",
        )
    return Path(given)
