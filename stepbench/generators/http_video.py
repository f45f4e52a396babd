"""Videos that come over HTTP, written to a file as they come."""

from __future__ import annotations

from pathlib import Path

from stepbench.generators.http_address import shown
from stepbench.generators.http_answer import Answer, ServiceError
from stepbench.runs.journal import saving

MAX_VIDEO_BYTES = 2**31
SUFFIXES = {
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/matroska": ".mkv",
    "video/quicktime": ".mov",
    "video/x-msvideo": ".avi",
}
"""Any other video is kept under `.mp4`; what is in it is found out when it is decoded."""

STORED = ("application/octet-stream", "binary/octet-stream")
"""Types that object stores give to whatever lies in them."""


def is_video(answer: Answer, *, stored: bool = False) -> bool:
    """Whether an answer is a video; with `stored` also one of an object store that knows no types."""
    return answer.status == 200 and (answer.media_type.startswith("video/") or (stored and answer.media_type in STORED))


def save_video(answer: Answer, folder: Path) -> Path:
    """The body of an answer as `clip.*` in `folder`.

    Raises:
        ServiceError: It is empty, cut off, or larger than 2 GiB.
        IncompleteError: The file cannot be written.
    """
    _check_size(answer, answer.content_length or 0)
    path = folder / f"clip{SUFFIXES.get(answer.media_type, '.mp4')}"
    size = 0
    with saving(path):
        file = path.open("wb")
    with file:
        for chunk in answer.chunks():
            size += len(chunk)
            _check_size(answer, size)
            with saving(path):
                file.write(chunk)
        with saving(path):
            file.flush()
    if size == 0:
        raise ServiceError(f"{shown(answer.url)} answered with an empty video")
    return path


def _check_size(answer: Answer, size: int) -> None:
    if size > MAX_VIDEO_BYTES:
        raise ServiceError(f"the video at {shown(answer.url)} has more than the {MAX_VIDEO_BYTES:,} bytes of the limit")
