"""Does a clip show a face?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from metrics.errors import UnavailableMetricError
from metrics.governance.flag import ReviewFlag, flag_card
from metrics.view import ClipView
from metrics.weights import find_weights

WEIGHTS = "face_detection_yunet_2023mar.onnx"
FRAMES = 16
LONG_SIDE = 640
THRESHOLD = 0.6
OVERLAP = 0.3
MOST_BOXES = 5000


@dataclass(frozen=True)
class Faces:
    """What was found in the frames that were looked at."""

    looked_at: int
    with_face: int
    best_score: float


class FacePresent(ReviewFlag):
    """Flags clips in which the YuNet detector finds a face in any of 16 frames.

    It is a small detector for frontal and half-turned faces of about 10 to 300 pixels. It misses profiles, covered,
    blurred, very small and very large faces, and finds faces in drawings and patterns: no flag does not say that there
    is nobody. The low threshold of 0.6 errs on the side of flagging.

    Args:
        weights: Another file of the same detector.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        UnavailableMetricError: The weights are not on this machine, or are no such detector.

    Example:
        >>> import metrics
        >>> flag = metrics.build("face_present")                        # doctest: +SKIP
        >>> flag.faces(metrics.ClipView(clip)).with_face                # doctest: +SKIP
    """

    card = flag_card(
        "face_present",
        "Face present",
        policy=f"{FRAMES}even-long{LONG_SIDE}-t{THRESHOLD:g}",
        backbone="yunet",
        formula="1 if any of 16 evenly spaced frames has a detection with score >= 0.6, else 0",
        source="YuNet: Wu, Peng and Yu, Machine Intelligence Research 2023; model file of the OpenCV zoo",
        sees="frontal and half-turned faces, painted ones as well",
        blind_to="profiles, covered, blurred, tiny and huge faces; frames that are not looked at; whose face it is",
    )

    def __init__(self, *, weights: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights = Path(weights) if weights is not None else find_weights(WEIGHTS)
        if not self.weights.is_file():
            raise UnavailableMetricError(
                f"there is no detector at {self.weights}", hint=f"stepbench weights pull {WEIGHTS}"
            )
        digest = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        self.card = replace(type(self).card, weights_hash=digest[:12])

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the weights."""
        find_weights(WEIGHTS)

    def frames_seen(self, frames: int) -> Sequence[int]:
        """16, evenly spaced."""
        return sorted({round(place * (frames - 1) / (FRAMES - 1)) for place in range(FRAMES)})

    def faces(self, view: ClipView) -> Faces:
        """What the detector finds."""
        return view.once(("faces", self.card.id), lambda: self._faces(view))

    def reason(self, view: ClipView) -> str:
        """In how many frames a face was found, and how surely."""
        found = self.faces(view)
        if not found.with_face:
            return ""
        return f"a face in {found.with_face} of {found.looked_at} frames, best score {found.best_score:.2f}"

    def _faces(self, view: ClipView) -> Faces:
        places = self.frames_seen(len(view.frames))
        scores = [_best_score(self.weights, view.pixels[place]) for place in places]
        return Faces(len(places), sum(score > 0 for score in scores), max(scores))


def _best_score(weights: Path, frame: UInt8[np.ndarray, "h w 3"]) -> float:
    """Score of the surest face, 0 where there is none at or above the threshold."""
    height, width = frame.shape[:2]
    scale = LONG_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    detector = _detector(weights)
    detector.setInputSize((frame.shape[1], frame.shape[0]))
    _, found = detector.detect(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return 0.0 if found is None else float(found[:, -1].max())


@lru_cache(maxsize=1)
def _detector(weights: Path) -> Any:
    try:
        with _quiet():
            return cv2.FaceDetectorYN.create(str(weights), "", (320, 320), THRESHOLD, OVERLAP, MOST_BOXES)
    except cv2.error as error:
        raise UnavailableMetricError(
            f"{weights} is no face detector that OpenCV can read: {str(error).strip().splitlines()[0]}",
            hint=f"run `stepbench weights pull {WEIGHTS}`",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV writes a warning about its own engine to stderr whenever a detector is made."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
