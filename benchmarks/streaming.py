"""Memory while clips stream through metrics: `python benchmarks/streaming.py --clips 10000`.

Small random clips go through `update` of the offline set, in batches, and through one set metric with a random network.
Metrics of clips keep a sum and a count each. A set metric keeps a row of features per clip and side, which is all that
grows: 4 bytes per number. The peak is that of the whole process, printed after 100, 1,000 and 10,000 clips; the last
line adds what `compute` needs for a moment: a few copies of the features in float64.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from side_by_side import machine, peak_mib

import metrics
from metrics.errors import MetricWarning

BATCH = 20


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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
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
