"""What the harness itself costs: time per sample with a generator that takes none, and to resume when all is done.

    python benchmarks/harness_overhead.py --samples 100000
    python benchmarks/harness_overhead.py --samples 5000 --keep masters --json
    python benchmarks/harness_overhead.py --samples 5000 --executor ray --workers 2

The plan is one clip of 2 frames of 8x8 per prompt. "Generate" is everything between two clips: codec, hashing, syncing,
journal. "Resume" is the same call again on the complete run: it plans, reads every row, finds nothing to do and writes
the final files anew. Nothing is scored. Other processes and Ray cost their start too, which "1 sample" shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import stepbench
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings, Suite, SuiteCard
from stepbench.suites.format import write_suite


class InstantGenerator:
    """One and the same tiny clip for every request."""

    card = GeneratorCard(name="instant", revision="1")

    def __init__(self) -> None:
        self._clip = Clip(frames=np.zeros((2, 3, 8, 8), dtype=np.uint8), fps=8)

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """Settings as they are offered."""
        return dict(settings)

    def generate(self, request: Request) -> Clip:
        """The clip."""
        return self._clip


def instant(prompt: str, seed: int) -> np.ndarray:
    """The same clip for workers, which find it by this module's name."""
    return np.zeros((2, 3, 8, 8), dtype=np.uint8)


def suite_of(size: int, folder: Path) -> Suite:
    """A suite of so many one-line prompts, written and read back as a user's would be."""
    card = SuiteCard(
        name="overhead", version="1", title="", licence="CC0-1.0", languages=("en",), source="", citation=""
    )
    prompts = (
        Prompt(id=f"p{number:06}", text=f"prompt number {number}", language="en", category=f"c{number % 10}")
        for number in range(size)
    )
    write_suite(folder, card, prompts)
    return stepbench.load_suite(folder)


def measure(samples: int, folder: Path, keep: Any, executor: Any = "local", workers: int = 1) -> dict[str, Any]:
    """Time one run of so many samples and its resumption, in `folder`."""
    suite = suite_of(samples, folder / "suite")
    here = executor == "local" and workers == 1
    generator = InstantGenerator() if here else f"python:{Path(__file__).stem}:instant"
    how: dict[str, Any] = {"keep": keep, "executor": executor, "workers": workers}
    seconds = {}
    for stage in ("generate", "resume"):
        started = time.perf_counter()
        run = stepbench.run(generator, suite, metrics=[], out=folder / "runs", run_id="overhead", **how)
        seconds[stage] = time.perf_counter() - started
        if run.info["status"] != "complete":
            raise SystemExit(f"the run is {run.info['status']}, not complete")
    return {
        "samples": samples,
        **how,
        "generate_seconds": seconds["generate"],
        "milliseconds_per_sample": 1e3 * seconds["generate"] / samples,
        "resume_seconds": seconds["resume"],
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "stepbench": stepbench.__version__,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--keep", choices=["both", "masters"], default="both", help="masters skips the previews")
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder unless given")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.samples < 1:
        parser.error(f"--samples must be at least 1, got {options.samples}")
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="overhead-") as folder:
        found = measure(options.samples, Path(folder), options.keep, options.executor, options.workers)
    if options.json:
        json.dump(found, sys.stdout)
        print()
    else:
        print("{samples} samples, keep {keep}, executor {executor}, workers {workers}".format(**found))
        print(f"generate  {found['generate_seconds']:9.1f} s   {found['milliseconds_per_sample']:.2f} ms per sample")
        print(f"resume    {found['resume_seconds']:9.1f} s")


if __name__ == "__main__":
    main()
