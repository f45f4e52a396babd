"""Make one clip: generate, prove that it decodes, write master and preview, hash. Runs in a worker."""

from __future__ import annotations

import math
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from stepbench.canonical import sha256_file
from stepbench.errors import IncompleteError, Refused, StepbenchError
from stepbench.generators.protocol import Clip, Generator
from stepbench.generators.registry import make_generator
from stepbench.records import Request, Settings
from stepbench.runs.journal import saving

Keep = Literal["both", "masters", "previews"]
"""Which files of a clip stay: `previews` drops the master once it is scored."""


@dataclass(frozen=True, kw_only=True)
class SampleTask:
    """One planned sample as it is sent to a worker."""

    key: str
    prompt_id: str
    text: str
    seed: int
    settings: Settings
    attempt: int


@dataclass(frozen=True, kw_only=True)
class MadeSample:
    """What a worker hands back: the journal row, and files still under temporary names in `scratch`."""

    row: dict[str, Any]
    scratch: Path | None = None
    files: tuple[str, ...] = ()


def sample_worker(
    source: str | Generator, clips: Path, scratch_prefix: str, keep: Keep, timeout: float | None
) -> Callable[[SampleTask], MadeSample | IncompleteError]:
    """A worker with its generator loaded. `source` is a generator's spec, or the generator itself in one process."""
    generator = make_generator(source) if isinstance(source, str) else source
    return partial(make_sample, generator, clips, scratch_prefix, keep, timeout)


def make_sample(
    generator: Generator, clips: Path, scratch_prefix: str, keep: Keep, timeout: float | None, task: SampleTask
) -> MadeSample | IncompleteError:
    """Generate one sample. A full disk is returned as an `IncompleteError`, since it concerns the whole run."""
    started = time.perf_counter()
    row: dict[str, Any] = {"sample_key": task.key, "outcome": "ok", "attempt": task.attempt, "error": None}
    try:
        with saving(clips):
            # Absolute: a program may change its folder before it writes.
            scratch = Path(tempfile.mkdtemp(dir=clips, prefix=scratch_prefix)).absolute()
    except IncompleteError as error:
        return error
    try:
        request = Request(
            prompt_id=task.prompt_id,
            text=task.text,
            seed=task.seed,
            settings=task.settings,
            output_dir=scratch,
            timeout=timeout,
        )
        clip = generator.generate(request)
        generated = time.perf_counter()
        stem = f"{task.prompt_id}-s{task.seed}"
        facts = _store(clip, scratch, stem, keep)
        seconds = {
            **_finite("seconds", clip.seconds),
            "generate": generated - started,
            "store": time.perf_counter() - generated,
            "total": time.perf_counter() - started,
        }
        peak = clip.peak_memory_bytes or peak_memory_bytes()
        row |= facts | {"seconds": seconds, "peak_memory_bytes": peak, "joules": None}
        if clip.measures:
            row["measures"] = _finite("measures", clip.measures)
        files = tuple(Path(facts[kind]).name for kind in ("clip", "preview") if facts[kind])
        return MadeSample(row=row, scratch=scratch, files=tuple(dict.fromkeys(files)))
    except Refused as refusal:
        row |= {"outcome": "refused", "error": str(refusal) or "refused without a reason"}
    except IncompleteError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        return error
    except StepbenchError as error:
        row |= {"outcome": "failed", "error": error.message}
    except Exception as error:  # noqa: BLE001 - one bad sample is a row, not the end of the run
        row |= {
            "outcome": "failed",
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc()[-2000:],
        }
    row["seconds"] = {"total": time.perf_counter() - started}
    shutil.rmtree(scratch, ignore_errors=True)
    return MadeSample(row=row)


def peak_memory_bytes() -> int:
    """Highest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _store(clip: Clip, scratch: Path, stem: str, keep: Keep) -> dict[str, Any]:
    """Write the master and the preview into `scratch` and say what they are."""
    from stepbench.video import VideoError, probe, read_clip, write_master, write_preview
    from stepbench.video.write import MASTER_SUFFIX, PREVIEW_SUFFIX

    if not isinstance(clip, Clip):
        raise VideoError(f"a generator must return a Clip, got {type(clip).__name__}", hint="return Clip(frames=...)")
    if clip.frames is not None:
        if clip.fps is None:
            raise VideoError("the generator returned frames without fps", hint="return Clip(frames=..., fps=...)")
        frames, fps = clip.frames, float(clip.fps)
        master = scratch / f"{stem}{MASTER_SUFFIX}"
        with saving(master):
            write_master(master, frames, fps)
        plays_in_browsers = False
    elif clip.path is not None:
        decoded = read_clip(clip.path)
        frames, fps = decoded.frames, decoded.fps
        master = scratch / f"{stem}{clip.path.suffix.lower()}"
        plays_in_browsers = master.suffix == PREVIEW_SUFFIX and probe(clip.path).codec == "h264"
        with saving(master):
            _take(clip.path, master)
    else:
        raise VideoError("the generator returned neither frames nor a path", hint="return one of the two")
    preview = None
    if plays_in_browsers:
        preview = master
    elif keep != "masters":
        # A delivered .mp4 that browsers do not play keeps its name; the preview stands beside it.
        middle = ".preview" if master.suffix == PREVIEW_SUFFIX else ""
        preview = scratch / f"{stem}{middle}{PREVIEW_SUFFIX}"
        with saving(preview):
            write_preview(preview, frames, fps)
    for file in {master, preview or master}:
        with saving(file):
            _fsync(file)
    return {
        "clip": f"clips/{master.name}",
        "clip_sha256": sha256_file(master),
        "preview": f"clips/{preview.name}" if preview else None,
        "frames": frames.shape[0],
        "fps": fps,
        "height": frames.shape[2],
        "width": frames.shape[3],
        "bytes": master.stat().st_size,
    }


def _finite(kind: str, values: Mapping[str, Any]) -> dict[str, float]:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"the generator's {kind} must be finite, got {name}: {value}")
    return {name: float(value) for name, value in values.items()}


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
