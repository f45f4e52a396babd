"""Two and three real processes that share clips, one of them perhaps without any, give the value of one."""

from __future__ import annotations

import json
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist
from toy_backbones import FrameLevels, Levels, noise

from metrics.errors import MetricWarning
from metrics.fid import FID
from metrics.fvd import FVD, RFVD
from metrics.fvd_infinity import FVDInfinity
from metrics.kvd import KVD

SHARES = {"two": (slice(0, 3), slice(3, 10)), "three, one empty": (slice(7, 10), slice(0, 0), slice(0, 7))}


def measured(share: slice) -> dict[str, list[float]]:
    metrics = {
        "fvd": FVD(Levels()),
        "kvd": KVD(Levels()),
        "fid": FID(FrameLevels(2), frames=2),
        "infinity": FVDInfinity(Levels()),
        "rfvd": RFVD(Levels()),
    }
    preds, target = noise(10)[share], noise(10, seed=1, top=200)[share]
    found = {}
    for name, metric in metrics.items():
        if len(preds):
            metric.update(preds, target)
        with warnings.catch_warnings():
            # Of few clips, and of the process that had none.
            warnings.simplefilter("ignore", MetricWarning)
            warnings.filterwarnings("ignore", "The ``compute`` method of metric")
            found[name] = [float(metric.compute()), *metric.interval(rng=np.random.default_rng(0), draws=4)]
            if name != "infinity":
                found[name] += metric.floor(rng=np.random.default_rng(0))
    return found


def work(rank: int, processes: int, shares: str, folder: str) -> None:
    """As one of several processes, take one share, and write down what this one takes the values of all clips to be."""
    patience = timedelta(minutes=5)  # so that a process that dies early fails the test and does not hang it
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes, timeout=patience
    )
    try:
        Path(folder, f"{rank}.json").write_text(json.dumps(measured(SHARES[shares][rank])))
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("shares", SHARES)
def test_processes_give_the_bits_of_one(shares: str, tmp_path: Path, warm_processes: Any):
    processes = len(SHARES[shares])
    started = [
        warm_processes.Process(target=work, args=(rank, processes, shares, str(tmp_path))) for rank in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * processes
    alone = measured(slice(0, 10))
    for rank in range(processes):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == alone
