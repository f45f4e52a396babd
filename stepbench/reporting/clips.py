"""Clips for a page: embedded as small H.264 files within a budget, or laid beside it under neutral names, or none."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stepbench.board.previews import CLIPS, publish_preview
from stepbench.errors import StepbenchError, UsageError
from stepbench.runs.journal import saving

Videos = Literal["embed", "link", "none"]
VIDEOS = ("embed", "link", "none")

DEFAULT_BUDGET_MB = 24.0
SMALLER = ((320, 28), (240, 32), (160, 36))
"""(short side, x264 quality) tried in this order for a clip that is larger than its share of the budget."""
POSTER_SIDE = 320


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A clip as a page has it; `reason` says why there is none, `note` how it differs from the run's."""

    clip: str | None = None
    poster: str | None = None
    reason: str = ""
    note: str = ""


class ClipShelf:
    """Hands out clips for one page.

    Args:
        videos: `embed`, `link` or `none`.
        page: The page that is being written; linked clips go to a folder named after it, beside it.
        count: Clips that the page will have, so that each has an equal share of the budget.
        budget_mb: Million bytes of video that the page may embed.

    Raises:
        UsageError: An unknown way, or a budget that is not above 0.
    """

    def __init__(self, videos: str, page: Path | None, *, count: int, budget_mb: float) -> None:
        if videos not in VIDEOS:
            raise UsageError(f"videos must be embed, link or none, got {videos!r}", hint="for example --videos link")
        if not budget_mb > 0:
            raise UsageError(f"the video budget must be above 0 MB, got {budget_mb}", hint="or pass --videos none")
        if videos == "link" and page is None:
            raise UsageError("clips can be linked from an HTML page only", hint="add -o report.html")
        self._videos = videos
        self._folder = page.with_name(f"{page.stem}_clips") if page is not None else None
        self._share = int(budget_mb * 1e6 / max(count, 1))

    def show(self, run: Path, sample: Mapping[str, Any]) -> Shown:
        """The clip of one sample.

        Args:
            run: Run folder.
            sample: Row of the run's samples.

        Raises:
            IncompleteError: The folder for linked clips cannot be written.
        """
        if sample["outcome"] != "ok":
            outcome = sample["outcome"] if isinstance(sample["outcome"], str) else "not made yet"
            return Shown(reason=f"{outcome}: {sample['error']}" if sample["error"] else outcome)
        if self._videos == "none":
            return Shown(reason="clips were left out of this page")
        if self._videos == "link":
            assert self._folder is not None
            return self._linked(run, sample, self._folder)
        with tempfile.TemporaryDirectory(prefix="stepbench-report-") as scratch:
            return self._embedded(run, sample, Path(scratch))

    def _linked(self, run: Path, sample: Mapping[str, Any], folder: Path) -> Shown:
        with saving(folder):
            (folder / CLIPS).mkdir(parents=True, exist_ok=True)
        name, reason = publish_preview(run, sample, folder)
        if name is None:
            return Shown(reason=reason or "")
        return Shown(clip=f"{folder.name}/{name}", poster=poster_of(folder / name))

    def _embedded(self, run: Path, sample: Mapping[str, Any], scratch: Path) -> Shown:
        (scratch / CLIPS).mkdir()
        name, reason = publish_preview(run, sample, scratch)
        if name is None:
            return Shown(reason=reason or "")
        path, note = scratch / name, ""
        if path.stat().st_size > self._share:
            size = path.stat().st_size
            path = _smaller(path, scratch / "smaller.mp4", self._share)
            if path is None:
                return Shown(
                    reason=f"a clip of {size / 1e6:.1f} MB exceeds its share of the video budget "
                    f"({self._share / 1e6:.2f} MB): raise --video-budget, or pass --videos link"
                )
            note = "shown smaller than it was scored, to fit the page"
        return Shown(clip=data_uri("video/mp4", path.read_bytes()), poster=poster_of(path), note=note)


def _smaller(source: Path, target: Path, most: int) -> Path | None:
    """The clip at the largest of the smaller sizes that has at most so many bytes; None where none has."""
    import cv2
    import numpy as np

    from stepbench.video import read_clip, write_preview

    clip = read_clip(source)
    height, width = clip.frames.shape[2:]
    for side, quality in SMALLER:
        scale = min(1.0, side / min(height, width))
        size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
        frames = np.stack(
            [cv2.resize(frame.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA) for frame in clip.frames]
        )
        write_preview(target, np.ascontiguousarray(frames.transpose(0, 3, 1, 2)), clip.fps, crf=quality)
        if target.stat().st_size <= most:
            return target
    return None


def poster_of(path: Path) -> str | None:
    """The first frame as a JPEG data URI: what paper shows, and browsers that load no video before it is played."""
    from PIL import Image

    from stepbench.video import read_chunks

    try:
        frame = next(read_chunks(path, 1))[0]
    except StepbenchError:
        # The browser will say that it cannot play the clip; a page without a still picture is still a page.
        return None
    image = Image.fromarray(frame.transpose(1, 2, 0))
    image.thumbnail((POSTER_SIDE * 2, POSTER_SIDE))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=80)
    return data_uri("image/jpeg", encoded.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """`content` as an address that needs no request."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
