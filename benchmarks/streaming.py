"""Memory while clips stream through metrics: `python benchmarks/streaming.py --clips 10000 --lengths 16 256 2048`.

Small random clips go through `update` of the offline set, in batches, and through one set metric with a random network.
Metrics of clips keep a sum and a count each. A set metric keeps a row of features per clip and side, which is all that
grows: 4 bytes per number. The peak is that of the whole process, printed after 100, 1,000 and 10,000 clips; the last
line adds what `compute` needs for a moment: a few copies of the features in float64.

`--lengths` scores one clip of each so many frames as a run does, from a lossless file, with the offline set, PSNR and
SSIM against a second file, and the features of a set metric: each in a process of its own. `beyond` is the peak beyond
what the same process had taken for a clip of 16 frames, `whole` the frames of both clips, decoded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side_by_side import machine, peak_mib

import metrics
from metrics.errors import MetricWarning
from stepbench.canonical import sha256_file
from stepbench.records import Prompt
from stepbench.runs.metric_set import ChosenMetric, choose_metrics
from stepbench.runs.score_stream import run_scoring
from stepbench.runs.score_worker import ClipFile, ScoreTask
from stepbench.video import master_writer

BATCH = 20
SHORT = 16
"""Frames of the clip that is scored first: as many as the network of the set metric sees."""
SET = "random_feature_distance"
ANY = Prompt(id="any", text="any", language="en", category="any")


def stream(clips: int, marks: Sequence[int], frames: int, side: int) -> list[dict[str, Any]]:
    """Peak memory, and the bytes of features, after so many clips, and once more after `compute`."""
    rng = np.random.default_rng(0)
    offline = [metrics.build(name) for name in metrics.OFFLINE]
    distance = metrics.build("random_feature_distance", seeds=1, frames=frames)
    found, started = [], time.perf_counter()
    for done in range(BATCH, clips + BATCH, BATCH):
        scene = rng.integers(0, 256, (BATCH, 1, 3, side, side), dtype=np.uint8)
        batch = torch.from_numpy(np.concatenate([scene] * frames, axis=1) // 2 + rng.integers(0, 9, dtype=np.uint8))
        for metric in offline:
            metric.update(batch, fps=8)
        distance.update(batch, batch.flip(1))
        if done in marks:
            features = sum(rows.nbytes for rows in [*distance.features, *distance.reference_features])
            seconds = time.perf_counter() - started
            found.append({"clips": done, "peak_mib": peak_mib(), "feature_bytes": features, "seconds": seconds})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetricWarning)
        values = {metric.card.name: float(metric.compute()) for metric in [*offline, distance]}
    found.append({**found[-1], "peak_mib": peak_mib(), "values": values})
    return found


def long_clip(frames: int, side: int) -> dict[str, Any]:
    """Peak memory and processor time of scoring one clip of so many frames with a reference, after a short one."""
    with tempfile.TemporaryDirectory(prefix="streaming-") as folder:
        short, long = (_pair(Path(folder), length, side) for length in (SHORT, frames))
        chosen = choose_metrics([*metrics.OFFLINE, "psnr", "ssim", SET], [ANY], reference_hash="0" * 64)
        _score(chosen, *short)
        before, started = peak_mib(), time.process_time()
        _score(chosen, *long)
        seconds = time.process_time() - started
    peak = peak_mib()
    whole = 2 * frames * 3 * side**2 / 2**20
    return {"frames": frames, "peak_mib": peak, "beyond_mib": peak - before, "whole_mib": whole, "cpu_seconds": seconds}


def _pair(folder: Path, frames: int, side: int) -> tuple[ClipFile, ClipFile]:
    rng, files = np.random.default_rng(frames), []
    for name in ("clip", "reference"):
        path = folder / f"{name}-{frames}.mkv"
        with master_writer(path, 8) as writer:
            scene = rng.integers(0, 256, (3, side + 64, side + 64), dtype=np.uint8)
            for place in range(frames):
                writer.write(np.ascontiguousarray(scene[None, :, place % 64 : place % 64 + side, :side]))
        files.append(ClipFile(path=path, sha256=sha256_file(path)))
    return files[0], files[1]


def _score(chosen: Sequence[ChosenMetric], clip: ClipFile, reference: ClipFile) -> None:
    of_clips = [one.metric_id for one in chosen if not one.feature_id]
    of_sets = [one.feature_id for one in chosen if one.feature_id]
    task = ScoreTask(sample_key="k", clip=clip, metrics=of_clips, features=of_sets, reference=reference)
    ((_, done),) = run_scoring(chosen, [task])
    failed = [row["error"] for row in done.rows if row["status"] != "ok"]
    if failed or done.no_features:
        raise SystemExit(f"not scored: {failed} {done.no_features}")


def lengths(frames: Sequence[int], side: int) -> list[dict[str, Any]]:
    """`long_clip` of each length, in a process of its own."""
    rows = []
    for length in frames:
        command = [
            sys.executable,
            __file__,
            "--lengths",
            str(length),
            "--long-side",
            str(side),
            "--json",
            "--this-process",
        ]
        rows += json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["lengths"]
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--lengths", type=int, nargs="*", help="frames of long clips, instead of many short ones")
    parser.add_argument("--long-side", type=int, default=128)
    parser.add_argument("--this-process", action="store_true", help="measure one length here")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.lengths:
        found = [long_clip(options.lengths[0], options.long_side)] if options.this_process else None
        found = found or lengths(options.lengths, options.long_side)
        if options.json:
            json.dump({"lengths": found} | machine(), sys.stdout)
            print()
            return
        print(f"{'frames':>7} {'peak MiB':>9} {'beyond':>7} {'whole':>7} {'cpu s':>6}")
        for row in found:
            sizes = f"{row['peak_mib']:>9.0f} {row['beyond_mib']:>7.0f} {row['whole_mib']:>7.0f}"
            print(f"{row['frames']:>7,} {sizes} {row['cpu_seconds']:>6.1f}")
        return
    marks = [mark for mark in (100, 1_000, 10_000) if mark < options.clips] + [options.clips]
    rows = stream(options.clips, marks, options.frames, options.side)
    if options.json:
        json.dump({"rows": rows} | machine(), sys.stdout)
        print()
        return
    print(f"{'clips':>7} {'peak MiB':>9} {'features MiB':>13} {'seconds':>8}")
    for row in rows:
        features = row["feature_bytes"] / 2**20
        print(f"{row['clips']:>7,} {row['peak_mib']:>9.0f} {features:>13.1f} {row['seconds']:>8.0f}")


if __name__ == "__main__":
    main()
