"""Is a file a clip that can be scored? Hash it, open it, decode it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stepbench.canonical import sha256_file
from stepbench.video import VideoError, probe, read_clip

ClipStatus = Literal["found", "corrupt", "too_short"]


@dataclass(frozen=True, kw_only=True)
class ClipCheck:
    """What one file is.

    Attributes:
        status: `found` if it can be scored.
        reason: Why not.
        sha256: Hash of its bytes; None if it cannot be read at all.
        frames: Decoded frames; the container's claim if nothing was decoded, 0 if it makes none.
    """

    status: ClipStatus
    reason: str = ""
    sha256: str | None = None
    frames: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None


def check_clip(path: Path, *, min_frames: int, decode: bool = True, sha256: str | None = None) -> ClipCheck:
    """Check one file.

    Args:
        path: The file.
        min_frames: Fewer frames are `too_short`.
        decode: Read every frame; otherwise only the container is opened, which misses clips cut off in the middle.
        sha256: The hash the file must have, if one was promised.
    """
    try:
        found = sha256_file(path)
    except OSError as error:
        return ClipCheck(status="corrupt", reason=f"cannot be read: {error.strerror or error}")
    if sha256 is not None and found != sha256:
        return ClipCheck(status="corrupt", reason=f"sha256 is {found}, the manifest says {sha256}", sha256=found)
    try:
        info = probe(path)
        frames, fps = info.frames, info.fps
        height, width = info.height, info.width
        if decode:
            clip = read_clip(path)
            frames, fps = len(clip.frames), clip.fps
            height, width = clip.frames.shape[2:]
    except VideoError as error:
        return ClipCheck(status="corrupt", reason=error.message, sha256=found)
    except Exception as error:  # noqa: BLE001 - recorded; one odd file must not end the check of thousands
        return ClipCheck(status="corrupt", reason=f"{type(error).__name__}: {error}", sha256=found)
    # A container that claims no number of frames may still hold enough.
    short = frames < min_frames and (decode or frames > 0)
    return ClipCheck(
        status="too_short" if short else "found",
        reason=f"{frames} frames, at least {min_frames} are needed" if short else "",
        sha256=found,
        frames=frames,
        fps=fps,
        height=height,
        width=width,
    )
