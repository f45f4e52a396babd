"""What a generator returned becomes files: frames go from their maker to the encoders as they come."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stepbench.canonical import sha256_file
from stepbench.generators.protocol import Clip
from stepbench.runs.journal import saving

if TYPE_CHECKING:
    from stepbench.video import ClipWriter

Keep = Literal["both", "masters", "previews"]
"""Which files of a clip stay: `previews` drops the master once it is scored."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Size of a clip that went through encoders, and the seconds that its maker took for the frames meanwhile."""

    frames: int
    height: int
    width: int
    making_seconds: float


def store_clip(clip: Clip, scratch: Path, stem: str, keep: Keep, *, origin: str = "") -> tuple[dict[str, Any], float]:
    """Write master and preview into `scratch`, in one pass over the frames.

    The preview says nothing about itself: it is what annotators get to see. A delivered file is kept byte for byte.

    Args:
        origin: What the master carries in its container, from `clip_origin.origin_text`.

    Returns:
        What the files are, as a journal row says it, and `Written.making_seconds`.

    Raises:
        VideoError: No usable clip; there is no file of it then.
        IncompleteError: The files cannot be saved.
    """
    from stepbench.video import master_writer, preview_writer, probe
    from stepbench.video.write import MASTER_SUFFIX, PREVIEW_SUFFIX

    chunks, fps = open_clip(clip)
    delivered = clip.path if clip.frames is None else None
    master = scratch / f"{stem}{delivered.suffix.lower() if delivered else MASTER_SUFFIX}"
    writers = [] if delivered else [master_writer(master, fps, comment=origin)]
    preview = None
    if delivered and master.suffix == PREVIEW_SUFFIX and probe(delivered).codec == "h264":
        preview = master
    elif keep != "masters":
        # A delivered .mp4 that browsers do not play keeps its name; the preview stands beside it.
        middle = ".preview" if master.suffix == PREVIEW_SUFFIX else ""
        preview = scratch / f"{stem}{middle}{PREVIEW_SUFFIX}"
        writers.append(preview_writer(preview, fps))
    written = write_frames(chunks, writers, master)
    if delivered:
        with saving(master):
            _take(delivered, master)
    for file in {master, preview or master}:
        with saving(file):
            _fsync(file)
    facts = {
        "clip": f"clips/{master.name}",
        "clip_sha256": sha256_file(master),
        "preview": f"clips/{preview.name}" if preview else None,
        "frames": written.frames,
        "fps": fps,
        "height": written.height,
        "width": written.width,
        "bytes": master.stat().st_size,
    }
    return facts, 0.0 if delivered else written.making_seconds


def open_clip(clip: Clip) -> tuple[Iterable[np.ndarray], float]:
    """The frames of what a generator returned, in chunks, and their rate; a file's are decoded as they are taken.

    Raises:
        VideoError: There are no frames, or none with a rate.
    """
    from stepbench.video import VideoError, probe, read_chunks

    if not isinstance(clip, Clip):
        raise VideoError(f"a generator must return a Clip, got {type(clip).__name__}", hint="return Clip(frames=...)")
    if clip.frames is not None:
        if clip.fps is None:
            raise VideoError("the generator returned frames without fps", hint="return Clip(frames=..., fps=...)")
        return ([clip.frames] if isinstance(clip.frames, np.ndarray) else clip.frames), float(clip.fps)
    if clip.path is None:
        raise VideoError("the generator returned neither frames nor a path", hint="return one of the two")
    return read_chunks(clip.path), probe(clip.path).fps


def write_frames(chunks: Iterable[np.ndarray], writers: Iterable[ClipWriter], place: Path) -> Written:
    """Send every chunk through every writer before the next one is taken. An error on the way leaves no file.

    Args:
        chunks: uint8 RGB (time, 3, height, width). What taking one raises is passed on as it is.
        writers: Not opened yet.
        place: What an error names that keeps files from being saved.

    Raises:
        VideoError: Chunks that make up no clip.
        IncompleteError: The files cannot be saved.
    """
    frames, size, seconds = 0, (0, 0), 0.0
    with ExitStack() as ends:
        opened = [ends.enter_context(writer) for writer in writers]
        if isinstance(chunks, Generator):
            # What it holds, such as a model on a GPU, goes with it, also when writing fails.
            ends.callback(chunks.close)
        started = time.perf_counter()
        for chunk in chunks:
            seconds += time.perf_counter() - started
            with saving(place):
                for writer in opened:
                    writer.write(chunk)
            frames, size = frames + chunk.shape[0], chunk.shape[2:]
            # It must not outlive the making of the next one.
            del chunk
            started = time.perf_counter()
        seconds += time.perf_counter() - started
        with saving(place):
            ends.close()
    return Written(frames=frames, height=size[0], width=size[1], making_seconds=seconds)


def _take(source: Path, target: Path) -> None:
    """Move a file the generator made for this sample; link (or copy) one that belongs to somebody else."""
    if source.parent == target.parent:
        if source != target:
            source.rename(target)
        return
    try:
        os.link(source.resolve(), target)
    except OSError:
        # Another disk, or one without links.
        shutil.copyfile(source, target)


def _fsync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
