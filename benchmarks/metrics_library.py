"""Speed of the metrics library beside torchmetrics and beside one pass over the files per metric.

    OMP_NUM_THREADS=1 python benchmarks/metrics_library.py --clips 4 --rounds 3 --json metrics.json

Same files, same process, by turns: PSNR + SSIM + LPIPS (alex) + I3D features of clip and reference + Frechet distance,
with random weights in the published formats (speed does not depend on their values). "Reference cached" is a run scored
against references whose features an earlier run has left: those of I3D in its folder, and, for "LPIPS too", those of
LPIPS in memory. Then SSIM alone, and the Frechet distance of 512 clips in
2048 dimensions against SciPy's matrix square root, on sets whose distance is known in closed form.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plain_metrics as plain
import torch
from side_by_side import machine, ratios, seconds, take_turns

from metrics.functional import frechet_distance
from metrics.functional.ssim import ssim
from stepbench.canonical import sha256_file
from stepbench.records import Prompt
from stepbench.runs.metric_set import ChosenMetric, choose_metrics
from stepbench.runs.score_stream import run_scoring
from stepbench.runs.score_worker import ClipFile, ScoreTask
from stepbench.video import read_clip, write_master
from stepbench.worlds.moving_shapes import render, sample_scene

FRAMES = 16
ALL = ("psnr", "ssim", "lpips", "fvd")
HALF = ("psnr", "ssim", "lpips(precision=bf16)", "fvd(precision=bf16)")
KEPT = ("psnr", "ssim", "lpips(keep_references_mib=512)", "fvd")
KEPT_HALF = ("psnr", "ssim", "lpips(precision=bf16, keep_references_mib=512)", "fvd(precision=bf16)")
AIMS = {"float32": 2.0, "bf16": 3.5, "float32, reference cached": 3.7, "bf16, reference cached": 6.5}
AIMS |= {"float32, LPIPS too": 3.7, "bf16, LPIPS too": 6.5}


def write_weights(folder: Path) -> None:
    """Random weights under the names of the published files."""
    import torchvision

    from metrics.backbones import I3D

    torch.manual_seed(0)
    network = I3D()
    for value in network.parameters():
        if value.ndim > 1:
            torch.nn.init.kaiming_normal_(value)
    torch.save(network.state_dict(), folder / "i3d-kinetics-400")
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), folder / "alexnet-imagenet")
    os.environ["STEPBENCH_WEIGHTS"] = str(folder)


def write_clips(folder: Path, count: int, side: int) -> list[tuple[Path, Path]]:
    """Scenes of the built-in world, and the same with noise on them, as lossless files."""
    rng, files = np.random.default_rng(0), []
    for index in range(count):
        real = render(sample_scene(2, rng, split="test"), index, frames=FRAMES, height=side, width=side)
        noisy = np.clip(real + rng.normal(0, 6, real.shape), 0, 255).astype(np.uint8)
        pair = folder / f"{side}-{index}-made.mkv", folder / f"{side}-{index}-real.mkv"
        for path, frames in zip(pair, (noisy, real), strict=True):
            write_master(path, frames, 8.0)
        files.append(pair)
    return files


def ours(
    chosen: Sequence[ChosenMetric], files: Sequence[tuple[Path, Path]], known: np.ndarray | None
) -> dict[str, float]:
    """The scoring stage of a run, without its folder: decode, hash, metrics, features, distance."""
    clips = [[ClipFile(path=path, sha256=sha256_file(path)) for path in pair] for pair in files]
    (feature_id,) = {one.feature_id for one in chosen} - {""}
    ids = [one.metric_id for one in chosen if not one.feature_id]
    tasks = [
        ScoreTask(sample_key=str(index), clip=made, metrics=ids, features=[feature_id], reference=real)
        for index, (made, real) in enumerate(clips)
    ]
    if known is None:
        tasks += [ScoreTask(sample_key="", clip=real, features=[feature_id]) for _, real in clips]
    done = [scored for _, scored in run_scoring(chosen, tasks)]
    features = np.stack([scored.features[feature_id] for scored in done])
    values = {
        one.name: float(
            np.mean([row["value"] for scored in done for row in scored.rows if row["metric_id"] == one.metric_id])
        )
        for one in chosen
        if not one.feature_id
    }
    reference = features[len(clips) :] if known is None else known
    return {**values, "fvd": float(frechet_distance(features[: len(clips)], reference))}


def compare_pipelines(folder: Path, count: int, side: int, rounds: int, clock: str) -> list[dict[str, Any]]:
    """A line per way of ours, against the plain way and against torchmetrics."""
    from metrics.backbones.lpips_network import load_lpips
    from metrics.backbones.state_files import read_state

    files = write_clips(folder, count, side)
    state, network = read_state("i3d-kinetics-400"), load_lpips("alex").model
    prompts = [Prompt(id="p", text="p", language="en", category="c")]
    whole, half, kept, kept_half = (
        choose_metrics(names, prompts, reference_hash="0" * 64) for names in (ALL, HALF, KEPT, KEPT_HALF)
    )
    known = np.random.default_rng(1).standard_normal((count, 400))
    theirs = plain.Torchmetrics(network, state)

    def read(index: int) -> plain.Pair:
        made, real = (read_clip(path).frames for path in files[index])
        return made, real

    values: dict[str, dict[str, float]] = {}

    def keeping(name: str, call: Callable[[], dict[str, float]]) -> Callable[[], None]:
        return lambda: values.update({name: call()})

    ways = {
        "plain": partial(plain.one_pass_per_metric, read, count, network, state),
        "torchmetrics": partial(theirs, read, count),
        "float32": partial(ours, whole, files, None),
        "bf16": partial(ours, half, files, None),
        "float32, reference cached": partial(ours, whole, files, known),
        "bf16, reference cached": partial(ours, half, files, known),
        "float32, LPIPS too": partial(ours, kept, files, known),
        "bf16, LPIPS too": partial(ours, kept_half, files, known),
    }
    for name in ("float32", "bf16", "float32, LPIPS too", "bf16, LPIPS too"):
        ways[name]()  # the first pass of a network is several times slower, and a cache is to be filled
    turns = take_turns({name: keeping(name, call) for name, call in ways.items()}, rounds)
    for name in ("psnr", "ssim", "lpips"):
        if not np.isclose(values["plain"][name], values["float32"][name], rtol=1e-4):
            sys.exit(f"{name} differs: {values['plain'][name]} and {values['float32'][name]}; times would mean nothing")
    return [
        {
            "side": side,
            "way": name,
            "seconds_per_clip": seconds(turns[name], clock) / count,
            "against_plain": ratios(turns["plain"], turns[name], clock),
            "against_torchmetrics": ratios(turns["torchmetrics"], turns[name], clock),
            "aim": AIMS.get(name),
            "peak_mib": max(turn.peak_mib for turn in turns[name]),
            "values": values[name],
        }
        for name in ways
    ]


def compare_ssim(side: int, rounds: int, clock: str) -> dict[str, Any]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    rng = np.random.default_rng(0)
    real = torch.from_numpy(render(sample_scene(2, rng, split="test"), 0, frames=FRAMES, height=side, width=side))[None]
    made = (real + torch.from_numpy(rng.normal(0, 6, real.shape))).clamp(0, 255).to(torch.uint8)
    ways = {
        "torchmetrics": lambda: structural_similarity_index_measure(made[0] / 255, real[0] / 255, data_range=1.0),
        "ours": lambda: ssim(made, real),
    }
    take_turns(ways, 1)
    turns = take_turns(ways, rounds)
    return {
        "side": side,
        "seconds": seconds(turns["ours"], clock),
        "aim": 8.0,
        **ratios(turns["torchmetrics"], turns["ours"], clock),
    }


def known_sets(n: int, d: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Two sets with covariances of one eigenbasis: FD = |step|^2 + sum (s_x - s_y)^2 exactly, singular as n < d."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((d, n - 1)))[0]
    spreads = [np.arange(1, n) ** -power for power in (0.75, 1.0)]
    sets = []
    for spread in spreads:
        rows = np.linalg.qr(np.column_stack([np.ones(n), rng.standard_normal((n, n - 1))]))[0][:, 1:]
        sets.append(np.sqrt(n - 1) * (rows * spread) @ basis.T)
    step = 0.1 * basis[:, 0]
    return sets[0] + step, sets[1], float(step @ step + np.square(spreads[0] - spreads[1]).sum())


def compare_frechet(n: int, d: int, rounds: int, clock: str) -> dict[str, Any]:
    x, y, truth = known_sets(n, d)
    found: dict[str, float] = {}
    ways = {
        "root": lambda: found.update(root=plain.frechet_by_root(x, y)),
        "ours": lambda: found.update(ours=float(frechet_distance(x, y))),
    }
    ways["ours"]()
    turns = take_turns(ways, rounds)
    return {
        "n": n,
        "dimensions": d,
        "seconds": seconds(turns["ours"], clock),
        "seconds_of_root": seconds(turns["root"], clock),
        "error": abs(found["ours"] - truth),
        "error_of_root": abs(found["root"] - truth),
        "truth": truth,
        "aim": 100.0,
        **ratios(turns["root"], turns["ours"], clock),
    }


def print_tables(found: dict[str, Any]) -> None:
    print(f"{found['clock']} seconds; load {found['load']:.1f}, {found['threads']} thread, {found['rounds']} rounds")
    print("side way                          s/clip  x plain    low   high   aim  x torchmetrics    MiB")
    for row in found["pipelines"]:
        plain_ratio, other = row["against_plain"], row["against_torchmetrics"]["ratio"]
        spread = f"{plain_ratio['ratio']:8.2f} {plain_ratio['low']:6.2f} {plain_ratio['high']:6.2f}"
        print(
            f"{row['side']:>4} {row['way']:26} {row['seconds_per_clip']:8.3f} {spread} {row['aim'] or '':>5} "
            f"{other:15.2f} {row['peak_mib']:6.0f}"
        )
    for row in found["ssim"]:
        print(f"ssim {row['side']}: {row['ratio']:.1f} x torchmetrics ({row['low']:.1f} to {row['high']:.1f}), aim 8")
    for row in found["frechet"]:
        print(
            f"frechet n={row['n']} d={row['dimensions']}: {row['seconds']:.3f} s, {row['ratio']:.0f} x SciPy's root "
            f"({row['low']:.0f} to {row['high']:.0f}), aim 100"
        )
        print(f"  error {row['error']:.1e}, of the root {row['error_of_root']:.1e}, at {row['truth']:.4g}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 256])
    parser.add_argument(
        "--clock", choices=["cpu", "wall"], default="cpu", help="cpu is fair on a machine that is shared"
    )
    parser.add_argument("--frechet", type=int, nargs=2, default=[512, 2048], metavar=("N", "D"))
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"clock": options.clock, "clips": options.clips, "rounds": options.rounds} | machine()
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        write_weights(Path(folder))
        common = (options.rounds, options.clock)
        found["pipelines"] = [
            row for side in options.sides for row in compare_pipelines(Path(folder), options.clips, side, *common)
        ]
        found["ssim"] = [compare_ssim(side, *common) for side in options.sides]
        n, dimensions = options.frechet
        found["frechet"] = [compare_frechet(n, dimensions, *common)]
    print_tables(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
