"""What this machine can do: one line per check, with the way out where something is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from stepbench.errors import StepbenchError

Level = Literal["ok", "warn", "fail"]
MIN_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Check:
    """One finding. `fail` means that stepbench cannot do its main job here."""

    name: str
    level: Level
    finding: str
    way_out: str = ""


def examine(runs: Path) -> list[Check]:
    """Run every check; a check that raises is itself a failed check."""
    return [_guarded(check, runs) for check in CHECKS]


def _guarded(check: Callable[[Path], Check], runs: Path) -> Check:
    try:
        return check(runs)
    except Exception as error:  # noqa: BLE001 - the doctor reports, whatever is broken
        return Check(check.__name__.strip("_"), "fail", f"{type(error).__name__}: {error}", "reinstall stepbench")


def _python(_: Path) -> Check:
    return Check("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _torch(_: Path) -> Check:
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        return Check("torch", "ok", f"{torch.__version__}, GPUs: {names}")
    return Check("torch", "ok", f"{torch.__version__}, CPU only: fine for tiny models and all offline metrics")


def _codec(runs: Path) -> Check:
    from stepbench.video import read_clip, write_master, write_preview

    frames = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write_master(Path(folder) / "clip.mkv", frames, 8)
        if not np.array_equal(read_clip(Path(folder) / "clip.mkv").frames, frames):
            return Check("codec", "fail", "FFV1 does not give back what was written", "reinstall the package `av`")
        write_preview(Path(folder) / "clip.mp4", frames, 8)
        read_clip(Path(folder) / "clip.mp4")
    return Check("codec", "ok", "FFV1 is lossless here, H.264 encodes and decodes")


def _metrics(_: Path) -> Check:
    from metrics.errors import MetricError
    from metrics.registry import METRICS

    broken, without_weights = [], 0
    for entry in METRICS.values():
        try:
            entry.load()
        except MetricError as error:
            broken.append(error.message)
        else:
            without_weights += bool(entry.unavailable())
    ready = f"{len(METRICS) - len(broken) - without_weights} of {len(METRICS)} are ready"
    if broken:
        return Check("metrics", "warn", "; ".join([*broken, ready]), "the other metrics work")
    more = (
        f", {without_weights} more once their weights are fetched: `stepbench list metrics`" if without_weights else ""
    )
    return Check("metrics", "ok", ready + more)


def _suites(_: Path) -> Check:
    from stepbench.suites import load_suite, suite_folders
    from stepbench.suites.registry import suite_problems

    problems = list(suite_problems().values())
    sizes: dict[str, int] = {}
    for name in suite_folders():
        try:
            sizes[name] = len(load_suite(name))
        except StepbenchError as error:
            problems.append(error.message)
    if not sizes:
        return Check("suites", "fail", "; ".join(problems) or "none is installed", "reinstall stepbench")
    if problems:
        return Check("suites", "warn", "; ".join(problems), "the other suites work")
    return Check("suites", "ok", ", ".join(f"{name} ({size} prompts)" for name, size in sizes.items()))


def _disk(runs: Path) -> Check:
    place = next(path for path in (runs.resolve(), *runs.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    level: Level = "ok" if free > MIN_FREE_BYTES else "warn"
    return Check("disk", level, f"{free / 1e9:.1f} GB free at {place}", "" if level == "ok" else "free some space")


def _writable(runs: Path) -> Check:
    place = next(path for path in (runs.resolve(), *runs.resolve().parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Check("run folder", "fail", f"{place} cannot be written", "give another folder with -o")
    started = time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=place) as handle:
        handle.write(b"x")
        os.fsync(handle.fileno())
    return Check(
        "run folder", "ok", f"{runs} can be written, one sync takes {1e3 * (time.perf_counter() - started):.1f} ms"
    )


def _memory(_: Path) -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    level: Level = "ok" if total > 4e9 else "warn"
    way_out = "" if level == "ok" else "use --workers 1"
    return Check("machine", level, f"{os.cpu_count()} cores, {total / 1e9:.0f} GB of memory", way_out)


def _leaderboard(_: Path) -> Check:
    if importlib.util.find_spec("streamlit") is None:
        return Check("leaderboard", "warn", "streamlit is not installed", "pip install streamlit")
    return Check("leaderboard", "ok", "streamlit is installed")


CHECKS = (_python, _torch, _codec, _metrics, _suites, _writable, _disk, _memory, _leaderboard)
