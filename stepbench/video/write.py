"""Encode clips, whole or chunk by chunk: lossless masters that are scored, and small H.264 previews for browsers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from stepbench.video.info import VideoError

MASTER_SUFFIX = ".mkv"
PREVIEW_SUFFIX = ".mp4"
COMMENT = "comment"
"""The tag that both containers know by the same name."""
# Without bitexact the muxers write a random id and their version, and equal clips would get unequal hashes.
BITEXACT = {"fflags": "+bitexact"}
# x264's AVX-512 code for macroblock-tree rate control reads memory that was never written, so equal clips would get
# unequal streams, now and then. This keeps the method and takes the portable code for it: equal bytes on every CPU.
SAME_BYTES = {"x264-params": "cpu-independent=1"}


def write_master(path: str | Path, frames: np.ndarray, fps: float) -> None:
    """Write frames losslessly: FFV1 in Matroska. Reading it back gives the same bytes of pixels.

    Args:
        path: Ends in `.mkv`. Equal frames and fps give equal file bytes.
        frames: uint8 RGB (time, 3, height, width).
        fps: Frames per second, above 0.

    Raises:
        VideoError: Wrong shape or dtype, no frame, or an fps that is not above 0.
    """
    with master_writer(path, fps) as writer:
        writer.write(frames)


def write_preview(path: str | Path, frames: np.ndarray, fps: float, *, crf: int = 18) -> None:
    """Write an H.264 (yuv420p, faststart) copy for browsers.

    Args:
        path: Ends in `.mp4`.
        frames: uint8 RGB (time, 3, height, width). An odd last row or column is repeated once, as 4:2:0 needs.
        fps: Frames per second, above 0.
        crf: x264 quality, 0 (best) to 51.

    Raises:
        VideoError: Wrong shape or dtype, no frame, or an fps that is not above 0.
    """
    with preview_writer(path, fps, crf=crf) as writer:
        writer.write(frames)


def master_writer(path: str | Path, fps: float, *, comment: str = "") -> ClipWriter:
    """A writer of the file that `write_master` makes of the same frames, byte for byte; see `ClipWriter`.

    Raises:
        VideoError: An fps that is not above 0.
    """
    options = {"flags": "+bitexact", "slicecrc": "0"}
    return ClipWriter(path, fps, _Encoding("matroska", BITEXACT, "ffv1", options, "bgr0", even=False), comment)


def preview_writer(path: str | Path, fps: float, *, crf: int = 18, comment: str = "") -> ClipWriter:
    """A writer of the file that `write_preview` makes of the same frames, byte for byte; see `ClipWriter`.

    Raises:
        VideoError: An fps that is not above 0.
    """
    options = {"crf": str(crf), "preset": "veryfast", "threads": "1", "flags": "+bitexact", **SAME_BYTES}
    faststart = {**BITEXACT, "movflags": "+faststart"}
    return ClipWriter(path, fps, _Encoding("mp4", faststart, "libx264", options, "yuv420p", even=True), comment)


@dataclass(frozen=True)
class _Encoding:
    """How frames become a file. `even` repeats an odd last row or column."""

    container: str
    container_options: Mapping[str, str]
    codec: str
    codec_options: Mapping[str, str]
    pixel_format: str
    even: bool


class ClipWriter:
    """Encodes the frames of one clip as they come, in memory that does not grow with their number.

    Used in a `with` block. The file has its name once the block has ended without an error; until then it has a
    temporary one beside it, and after an error there is none.

    Args:
        path: Where the clip goes; an existing file is replaced.
        fps: Frames per second, above 0.
        encoding: From `master_writer` or `preview_writer`.
        comment: Text that the container carries beside the pixels, as `read_comment` gives it back. Equal frames with
            equal comments give equal bytes.

    Raises:
        VideoError: An fps that is not above 0.
    """

    def __init__(self, path: str | Path, fps: float, encoding: _Encoding, comment: str = "") -> None:
        if not 0 < fps < math.inf or frame_rate(fps) == 0:
            raise VideoError(f"fps must be above 0 and finite, got {fps}", hint="set the rate the clip should play at")
        self._path = Path(path)
        self._partial = self._path.with_name(f".{self._path.name}.partial")
        self._rate = frame_rate(fps)
        self._encoding = encoding
        self._comment = comment
        self._output: tuple[OutputContainer, VideoStream] | None = None
        self._size = (0, 0)
        self._frames = 0

    def write(self, frames: np.ndarray) -> None:
        """Append frames, uint8 RGB (time, 3, height, width).

        Raises:
            VideoError: Wrong shape or dtype, no frame, or another size than the frames before.
        """
        _check(frames)
        height, width = frames.shape[2:]
        if self._output is None:
            self._output = self._open(height, width)
        if (height, width) != self._size:
            raise VideoError(
                f"frame {self._frames} is {width}x{height}, the first is {self._size[1]}x{self._size[0]}",
                hint="all frames of a clip must have one size",
            )
        container, stream = self._output
        margin = ((0, stream.height - height), (0, stream.width - width), (0, 0))
        for image in frames.transpose(0, 2, 3, 1):
            whole = np.ascontiguousarray(np.pad(image, margin, mode="edge"))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
        self._frames += len(frames)

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output is None:
            if kind is None:
                raise VideoError(f"{_RULE}, got none", hint="make at least one")
            return
        container, stream = self._output
        try:
            with container:
                if kind is None:
                    container.mux(stream.encode(None))
            if kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> tuple[OutputContainer, VideoStream]:
        how = self._encoding
        container = av.open(str(self._partial), "w", format=how.container, options=dict(how.container_options))
        if self._comment:
            container.metadata[COMMENT] = self._comment
        stream = cast(VideoStream, container.add_stream(how.codec, rate=self._rate, options=dict(how.codec_options)))
        self._size = height, width
        stream.height, stream.width = (height + height % 2, width + width % 2) if how.even else (height, width)
        stream.pix_fmt = how.pixel_format
        stream.codec_context.thread_count = 1
        return container, stream


def frame_rate(fps: float) -> Fraction:
    """The rate as a codec takes it: 29.97 becomes 30000/1001."""
    return Fraction(fps).limit_denominator(1001)


_RULE = "a clip must be uint8 (time, 3, height, width) with at least one frame"


def _check(frames: np.ndarray) -> None:
    if not isinstance(frames, np.ndarray):
        raise VideoError(f"{_RULE}, got {type(frames).__name__}", hint="give NumPy arrays")
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1] != 3 or 0 in frames.shape:
        raise VideoError(f"{_RULE}, got {frames.dtype} {frames.shape}", hint="convert the frames before writing them")
