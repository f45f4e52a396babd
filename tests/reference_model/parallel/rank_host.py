"""A process that has imported everything once, and forks groups of ranks that talk over gloo: a start costs nothing."""

from __future__ import annotations

import os
import tempfile
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.tensor.parallel

import reference_model.parallel.load
import reference_model.training.dpo
import reference_model.training.loop  # noqa: F401 - for the ranks

PATIENCE = timedelta(seconds=60)


def serve(connection: Connection) -> None:
    """Answers jobs (size, check, arguments) with what every rank's `check(*arguments)` returned, or its traceback."""
    torch.set_num_threads(1)
    while True:
        try:
            size, check, arguments = connection.recv()
        except EOFError:
            os._exit(0)  # nothing to tidy up, and doing so takes seconds
        connection.send(_run(size, check, arguments))


def _run(size: int, check: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Any]:
    context = get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        ranks = []
        for rank in range(size):
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_rank, args=(there, rank, size, folder, check, arguments))
            process.start()
            there.close()
            ranks.append((process, here))
        answers = [_answer(here) for _, here in ranks]
        for process, here in ranks:
            process.join()
            here.close()
    return answers


def _answer(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        return ("died", "")


def _rank(
    connection: Connection, rank: int, size: int, folder: str, check: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store = dist.FileStore(f"{folder}/store", size)
            dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE)
            connection.send(("done", check(*arguments)))
    except BaseException:  # noqa: BLE001 - told to the test, which fails with it
        connection.send(("failed", traceback.format_exc()))
    os._exit(0)
