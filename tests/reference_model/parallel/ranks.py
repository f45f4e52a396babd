"""One rank of a gloo group, in a process forked from one that has imported everything."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

PATIENCE = timedelta(seconds=60)


def be_a_rank(
    connection: Connection, rank: int, size: int, folder: Path, check: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Sends what `check(*arguments)` returns, or why it failed."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module")  # as `distributed.start` does
            store = dist.FileStore(str(folder / "store"), size)
            dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE)
            connection.send(("done", check(*arguments)))
    except BaseException:  # noqa: BLE001 - told to the test, which fails with it
        connection.send(("failed", traceback.format_exc()))
    os._exit(0)
