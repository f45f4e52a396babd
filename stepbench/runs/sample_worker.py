"""Make one clip: generate, prove that it decodes, write master and preview, hash. Runs in a worker."""

from __future__ import annotations

import math
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stepbench.costs.energy import EnergyMeter, open_meter
from stepbench.errors import IncompleteError, Refused, StepbenchError
from stepbench.executors.protocol import Broken, Lost, Worker
from stepbench.generators.protocol import Generator
from stepbench.generators.ranks import OtherRank, RankFailedError, SharedSource
from stepbench.generators.registry import make_generator
from stepbench.records import Request, Settings
from stepbench.runs.clip_origin import origin_text
from stepbench.runs.journal import saving
from stepbench.runs.store_clip import Keep, store_clip


@dataclass(frozen=True, kw_only=True)
class SampleTask:
    """One planned sample as it is sent to a worker. `run` is the name that its clip bears, from `plan_name`."""

    key: str
    prompt_id: str
    text: str
    seed: int
    settings: Settings
    attempt: int
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class MadeSample:
    """What a worker hands back: the journal row, and files still under temporary names in `scratch`."""

    row: dict[str, Any]
    scratch: Path | None = None
    files: tuple[str, ...] = ()


def sample_worker(
    source: str | Generator | SharedSource,
    clips: Path,
    scratch_prefix: str,
    keep: Keep,
    timeout: float | None,
    *,
    alone: bool = False,
) -> Worker:
    """A worker with its generator loaded: it takes a `SampleTask` and returns a `MadeSample`, or what ends the run.

    Args:
        source: A generator's spec, or the generator itself in one process; or what every rank of a worker joins.
        alone: Whether no other worker makes clips on this machine, so that its energy is spent on this one's clips.
    """
    shared = isinstance(source, SharedSource)
    generator = source.join_ranks() if shared else make_generator(source) if isinstance(source, str) else source
    if isinstance(generator, OtherRank):
        return generator
    meter = open_meter() if alone else EnergyMeter([])
    make = partial(make_sample, generator, clips, scratch_prefix, keep, timeout, meter=meter)
    return partial(_by_ranks, make) if shared else make


def _by_ranks(make: Callable[[SampleTask], MadeSample | IncompleteError], task: SampleTask) -> Any:
    """As `make`, but whatever went wrong, the ranks may no longer be at the same place, and must be started anew."""
    made = make(task)
    if isinstance(made, RankFailedError):
        return Broken(Lost(made.message))
    if isinstance(made, MadeSample) and made.row["outcome"] != "ok":
        return Broken(made)
    return made


def make_sample(
    generator: Generator,
    clips: Path,
    scratch_prefix: str,
    keep: Keep,
    timeout: float | None,
    task: SampleTask,
    *,
    meter: EnergyMeter | None = None,
) -> MadeSample | IncompleteError:
    """Generate one sample. A full disk is returned as an `IncompleteError`, since it concerns the whole run."""
    started = time.perf_counter()
    forget_peak_memory()
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
        stem = f"{task.prompt_id}-s{task.seed}"
        origin = origin_text(
            generator.card, task.text, task.settings, run=task.run, sample_key=task.key, seed=task.seed
        )
        with (meter or EnergyMeter([])).measure() as spent:
            clip = generator.generate(request)
            returned = time.perf_counter()
            facts, making = store_clip(clip, scratch, stem, keep, origin=origin)
            ended = time.perf_counter()
        seconds = {
            **_finite("seconds", clip.seconds),
            "generate": returned - started + making,
            "store": ended - returned - making,
            "total": ended - started,
        }
        peak = clip.peak_memory_bytes() if callable(clip.peak_memory_bytes) else clip.peak_memory_bytes
        row |= facts | {"seconds": seconds, "peak_memory_bytes": peak or peak_memory_bytes(), "joules": spent.joules}
        if spent.sources:
            row["joules_from"] = spent.sources
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


def forget_peak_memory() -> None:
    """Let `peak_memory_bytes` begin anew, where the system can: else a later clip would bear an earlier one's peak."""
    with suppress(OSError):
        # Linux, see proc_pid_clear_refs(5): 5 resets the peak to what is in use now.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_bytes() -> int:
    """Highest resident memory of this process since `forget_peak_memory`; so far, where that did nothing."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return peak
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return peak * 1024
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return (int(found[1]) if found else peak) * 1024


def _finite(kind: str, values: Mapping[str, Any]) -> dict[str, float]:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"the generator's {kind} must be finite, got {name}: {value}")
    return {name: float(value) for name, value in values.items()}
