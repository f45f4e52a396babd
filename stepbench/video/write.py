"""Encode clips: lossless masters that are scored, and small H.264 previews that browsers play."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from stepbench.video.info import VideoError

MASTER_SUFFIX = ".mkv"
PREVIEW_SUFFIX = ".mp4"
# Without bitexact the muxers write a random id and their version, and equal clips would get unequal hashes.
BITEXACT = {"fflags": "+bitexact"}
# x264's AVX-512 code for macroblock-tree rate control reads memory that was never written, so equal clips would get
# unequal streams, now and then. This keeps the method and takes the portable code for it: equal bytes on every CPU.
SAME_BYTES = {"x264-params": "cpu-independent=1"}


def write_master(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write frames losslessly: FFV1 in Matroska. Reading it back gives the same bytes of pixels.

    Args:
        path: Ends in `.mkv`. Equal frames and fps give equal file bytes.
        frames: uint8 RGB (time, 3, height, width).
        fps: Frames per second, above 0.

    Raises:
        VideoError: Wrong shape or dtype, no frame, or an fps that is not above 0.
    """
    _check(frames, fps)
    with av.open(str(path), "w", format="matroska", options=BITEXACT) as container:
        stream = container.add_stream("ffv1", rate=frame_rate(fps), options={"flags": "+bitexact", "slicecrc": "0"})
        _encode(container, stream, frames, pixel_format="bgr0")


def write_preview(path: Path, frames: np.ndarray, fps: float, *, crf: int = 18) -> None:
    """Write an H.264 (yuv420p, faststart) copy for browsers.

    Args:
        path: Ends in `.mp4`.
        frames: uint8 RGB (time, 3, height, width). An odd last row or column is repeated once, as 4:2:0 needs.
        fps: Frames per second, above 0.
        crf: x264 quality, 0 (best) to 51.

    Raises:
        VideoError: Wrong shape or dtype, no frame, or an fps that is not above 0.
    """
    _check(frames, fps)
    height, width = frames.shape[2:]
    even = np.pad(frames, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    with av.open(str(path), "w", format="mp4", options={**BITEXACT, "movflags": "+faststart"}) as container:
        options = {"crf": str(crf), "preset": "veryfast", "threads": "1", "flags": "+bitexact", **SAME_BYTES}
        stream = container.add_stream("libx264", rate=frame_rate(fps), options=options)
        _encode(container, stream, even, pixel_format="yuv420p")


def _encode(container: OutputContainer, stream: VideoStream, frames: np.ndarray, pixel_format: str) -> None:
    stream.height, stream.width = frames.shape[2:]
    stream.pix_fmt = pixel_format
    stream.codec_context.thread_count = 1
    for image in frames.transpose(0, 2, 3, 1):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
    container.mux(stream.encode(None))


def frame_rate(fps: float) -> Fraction:
    """The rate as a codec takes it: 29.97 becomes 30000/1001."""
    return Fraction(fps).limit_denominator(1001)


def _check(frames: np.ndarray, fps: float) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1] != 3 or 0 in frames.shape:
        raise VideoError(
            f"a clip must be uint8 (time, 3, height, width) with at least one frame, got {frames.dtype} {frames.shape}",
            hint="convert the frames before writing them",
        )
    if not 0 < fps < math.inf or frame_rate(fps) == 0:
        raise VideoError(f"fps must be above 0 and finite, got {fps}", hint="set the rate the clip should play at")
