"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.errors import UsageError

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print records as JSON lines on stdout.")]
Out = Annotated[Path, Parameter(name=["--out", "-o"], help="Folder of runs.")]
Metrics = Annotated[
    list[str] | None,
    Parameter(
        name=["--metrics", "-m"],
        negative="",
        help="Metric names, by commas, with options where wanted: fvd(backbone=i3d, frames=16); `offline` is the "
        "default set.",
    ),
]
Reference = Annotated[
    Path | None, Parameter(name="--reference", help="Run whose clips are the references of psnr, ssim ...")
]
Workers = Annotated[int, Parameter(name="--workers", help="Processes; their number never changes a result.")]

MetricDevice = Annotated[
    str, Parameter(name="--metric-device", help="Where networks of metrics compute: auto, cpu, cuda or cuda:N.")
]

_NAME = re.compile(r"(?:\"[^\"]*\"|\((?:\"[^\"]*\"|[^()\"])*\)|[^,])+")
"""Commas within brackets or quotes separate nothing."""


_SEED = re.compile(r"[0-9]{1,1000}")
"""The plan says how large a seed may be; Python turns no endless row of digits into a number."""

MOST_SEEDS = 1_000_000
"""Seeds per prompt; more are a slip of the pen, and would fill the memory before anything said so."""


def split_names(values: list[str] | None) -> list[str] | None:
    """`["a,b(c=1, d=2)", "e"]` as `["a", "b(c=1, d=2)", "e"]`; None stays None."""
    if values is None:
        return None
    return [name.strip() for value in values for name in _NAME.findall(value) if name.strip()]


def parse_seeds(text: str) -> list[int]:
    """`0..3` as 0, 1, 2, 3 (both ends in), `5` as 5, and both by commas: `0..2,7`.

    Raises:
        UsageError: Anything else, or more than `MOST_SEEDS`.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        numbers = _SEED.fullmatch(first) and (not dots or _SEED.fullmatch(last))
        if not numbers or (dots and int(last) < int(first)):
            raise UsageError(f"seeds must look like 0..3 or 0,2,5, got {text!r:.200}", hint="0..3 means 0, 1, 2 and 3")
        end = int(last) if dots else int(first)
        if len(seeds) + end - int(first) >= MOST_SEEDS:
            raise UsageError(f"at most {MOST_SEEDS:,} seeds per prompt, got {text!r:.200}", hint="write --seeds 0..3")
        seeds += range(int(first), end + 1)
    return seeds


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """`i/N` as (i, N).

    Raises:
        UsageError: Anything else, or numbers out of range.
    """
    if text is None:
        return None
    index, slash, count = text.partition("/")
    numbers = slash and index.isdecimal() and count.isdecimal()
    if not numbers or not 0 <= int(index) <= int(count) or int(count) < 1:
        raise UsageError(f"--shard must be i/N with 0 <= i <= N, got {text!r}", hint="for example --shard 1/4")
    return int(index), int(count)
