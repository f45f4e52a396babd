"""What it costs to score a run with the offline set, beside its slowest metric alone and one decode of every clip.

    OMP_NUM_THREADS=1 python benchmarks/scoring.py --clips 200 --rounds 3

"All" is `stepbench score RUN -m offline --recompute` in one process: decode, hash, six metrics, journal, sync, tables,
checksums. "Decode" reads every file once and checks its sha256, "own" is one metric by itself on decoded clips. The
ratio is all / (decode + slowest own); what metrics share (flow, luma, steps) is computed once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from side_by_side import machine, seconds, take_turns

import metrics
import stepbench
from metrics.scoring import score_view
from stepbench.runs.folder import RunFolder
from stepbench.runs.score_worker import ClipFile, one_thread


def clip_files(run: stepbench.Run) -> list[ClipFile]:
    rows = run.samples().to_dict("records")
    return [ClipFile(path=RunFolder(run.folder).path / row["clip"], sha256=row["clip_sha256"]) for row in rows]


def own_work(name: str, clips: Sequence[Any]) -> None:
    """One metric on decoded clips, nothing shared with any other."""
    metric = metrics.build(name)
    with one_thread():
        for clip in clips:
            score_view(metrics.ClipView(torch.from_numpy(clip.frames), fps=clip.fps), {name: metric})


def measure(clips: int, rounds: int, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    run = stepbench.run(
        "world:exact",
        "moving-shapes",
        metrics=[],
        seeds=range(clips // 25),
        limit=25,
        settings=settings,
        out=folder,
        run_id="scored",
        keep="masters",
    )
    files = clip_files(run)[:clips]
    decoded = [file.read() for file in files]
    names = list(metrics.OFFLINE)
    score = partial(stepbench.api.score, run, metrics=names, recompute=True, metric_device="cpu")
    score()  # warm up
    ways: dict[str, Callable[[], Any]] = {
        "all": score,
        "decode": lambda: [file.read() for file in files],
        **{name: partial(own_work, name, decoded) for name in names},
    }
    turns = take_turns(ways, rounds)
    result: dict[str, Any] = {"clips": len(clip_files(run)), "frames": list(decoded[0].frames.shape), "rounds": rounds}
    for clock in ("wall", "cpu"):
        own = {name: [getattr(turn, clock) for turn in turns[name]] for name in names}
        slowest = max(names, key=lambda name: median(own[name]))
        by_round = [
            getattr(whole, clock) / (getattr(read, clock) + alone)
            for whole, read, alone in zip(turns["all"], turns["decode"], own[slowest], strict=True)
        ]
        result[clock] = {
            "milliseconds_per_clip": {name: 1e3 * seconds(turns[name], clock) / len(files) for name in ways},
            "slowest": slowest,
            "ratio": median(by_round),
            "low": min(by_round),
            "high": max(by_round),
        }
    return result | {"peak_mib": max(turn.peak_mib for turn in turns["all"])} | machine()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200, help="a multiple of 25")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=64, help="pixels along each side of a clip")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
        size = {} if options.side == 64 else {"height": options.side, "width": options.side}
        found = measure(options.clips, options.rounds, Path(folder), size)
    if options.json:
        json.dump(found, sys.stdout)
        print()
        return
    print(f"{found['clips']} clips of {found['frames']}, {found['rounds']} rounds, load {found['load']:.1f}")
    for clock in ("wall", "cpu"):
        of = found[clock]
        print(f"{clock}: ms per clip " + ", ".join(f"{k} {v:.2f}" for k, v in of["milliseconds_per_clip"].items()))
        print(
            f"{clock}: all / (decode + {of['slowest']}) = {of['ratio']:.2f} "
            f"(least {of['low']:.2f}, most {of['high']:.2f})"
        )


if __name__ == "__main__":
    main()
