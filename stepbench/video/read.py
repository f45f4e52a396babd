"""Probe and decode video files with PyAV, in software, so that pixels are reproducible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from stepbench.video.info import VideoClip, VideoError, VideoInfo
from stepbench.video.write import COMMENT

MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
DEFAULT_FPS = 25.0
"""Taken only where a container gives no rate at all."""
FRAMES_PER_CHUNK = 16
CHUNK_BYTES, LEAST_FRAMES = 4 << 20, 4
"""How much of a clip `stream_clip` gives at a time: so many bytes at most, unless so few frames already have more."""


def probe(path: Path) -> VideoInfo:
    """What the container of `path` says, without decoding.

    Raises:
        VideoError: The file is missing, empty, not a video, or has no video stream.
    """
    with _opened(path) as (_, stream):
        return VideoInfo(
            frames=stream.frames or 0,
            fps=_rate(stream),
            height=stream.codec_context.height,
            width=stream.codec_context.width,
            codec=stream.codec_context.name,
        )


def read_comment(path: Path) -> str:
    """The comment that the container of `path` carries; empty where there is none. It is a stranger's text.

    Raises:
        VideoError: As `probe`.
    """
    with _opened(path) as (container, _):
        # Matroska hands its names back in capitals.
        return next((text for name, text in container.metadata.items() if name.lower() == COMMENT), "")


def read_clip(path: Path) -> VideoClip:
    """All frames of `path` as uint8 RGB (time, 3, height, width), with no resizing and no rate change.

    Raises:
        VideoError: The file cannot be opened, ends before the frames it announces, changes size on the way, or holds
            no frame. A clip that is cut off is an error, never a shorter clip.
    """
    with _opened(path) as (container, stream):
        frames = np.concatenate(list(_decoded(path, container, stream, FRAMES_PER_CHUNK)))
        return VideoClip(frames=frames, fps=_rate(stream))


def read_chunks(path: Path, frames: int = FRAMES_PER_CHUNK) -> Iterator[np.ndarray]:
    """The frames of `read_clip`, so many at a time, in memory that does not grow with the clip.

    Raises:
        VideoError: What `read_clip` raises; that a file is cut off shows after its last whole chunk.
    """
    with _opened(path) as (container, stream):
        yield from _decoded(path, container, stream, frames)


def stream_clip(path: Path) -> Iterator[VideoClip]:
    """The clip of `read_clip` in parts of at most 4 MiB, or of 4 frames where these are more.

    Raises:
        VideoError: What `read_clip` raises; that a file is cut off shows after its last whole part.
    """
    with _opened(path) as (container, stream):
        for frames in _decoded(path, container, stream):
            yield VideoClip(frames=frames, fps=_rate(stream))
            del frames  # as in `_decoded`


def count_frames(path: Path) -> int:
    """How many frames the packets of `path` seem to hold, one in each, without decoding. Only decoding proves it.

    Raises:
        VideoError: As `probe`.
    """
    frames = 0
    # Of a broken file those before the break; what is wrong with it, decoding says.
    with _opened(path) as (container, stream), suppress(av.error.FFmpegError):
        for packet in container.demux(stream):
            frames += packet.size > 0
    return frames


def _decoded(path: Path, container: InputContainer, stream: VideoStream, size: int = 0) -> Iterator[np.ndarray]:
    """Frames, so many at a time; 0 for as many as `stream_clip` says, so that clips of one size are read in step."""
    images: list[np.ndarray] = []
    count, first = 0, (0, 0, 0)
    try:
        for frame in container.decode(stream):
            image = frame.to_ndarray(format="rgb24")
            first = first if count else image.shape
            if image.shape != first:
                raise VideoError(
                    f"{path.name}: frame {count} is {image.shape[1]}x{image.shape[0]}, "
                    f"the first is {first[1]}x{first[0]}",
                    hint="re-encode the clip at one size",
                )
            size = size or max(LEAST_FRAMES, CHUNK_BYTES // image.nbytes)
            images.append(image)
            count += 1
            if len(images) == size:
                chunk, images = _stacked(images), []
                yield chunk
                del chunk  # it must not outlive the decoding of the next one
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path.name}: broken after {count} frames: {error.strerror}", hint="copy or generate the file again"
        ) from error
    _refuse_cut_matroska(path, container)
    announced = stream.frames or _frames_by_duration(container, _rate(stream))
    if not count:
        raise VideoError(f"{path.name}: holds no frame", hint="copy or generate the file again")
    if count < announced:
        raise VideoError(
            f"{path.name}: cut off: {count} of {announced} announced frames decode",
            hint="copy or generate the file again",
        )
    if images:
        yield _stacked(images)


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    frames = np.empty((len(images), 3, *images[0].shape[:2]), dtype=np.uint8)
    for image, planes in zip(images, frames, strict=True):
        cv2.split(image, mv=list(planes))  # twenty times as fast as a transposing copy
    return frames


def _rate(stream: VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)


def _frames_by_duration(container: InputContainer, fps: float) -> int:
    """Frames that a Matroska or WebM file without sound must hold; 0 where the duration does not tell."""
    if "matroska" not in container.format.name or len(container.streams) != 1 or not container.duration:
        return 0
    # The duration is rounded to milliseconds, and some writers leave the last frame's own length out.
    return int(container.duration / av.time_base * fps - 0.5)


def _refuse_cut_matroska(path: Path, container: InputContainer) -> None:
    """A Matroska or WebM file begins with its own size, unless it was recorded live; no decoder asks for it."""
    if "matroska" not in container.format.name:
        return
    with path.open("rb") as file:
        head = file.read(4096)
    position = head.find(MATROSKA_SEGMENT) + len(MATROSKA_SEGMENT)
    # A number of n bytes has n - 1 leading zero bits and a one; all ones behind those means "not known".
    length = 9 - head[position].bit_length()
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(head[position : position + length], "big") & unknown
    expected = position + length + size
    if size != unknown and container.size < expected:
        raise VideoError(
            f"{path.name}: cut off: {container.size} of {expected} bytes are there",
            hint="copy or generate the file again",
        )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    if not path.is_file():
        raise VideoError(f"no video file at {path}", hint="check the path")
    if path.stat().st_size == 0:
        raise VideoError(f"{path.name}: empty file (0 bytes)", hint="copy or generate the file again")
    try:
        # Titles and comments in other encodings must not make a clip unreadable.
        container = av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path.name}: not a readable video: {error.strerror}", hint="copy or generate the file again"
        ) from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{path.name}: no video stream", hint="give a file with pictures in it")
        yield container, container.streams.video[0]
