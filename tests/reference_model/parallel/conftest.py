"""Runs a function on several ranks of one gloo group, each a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "data"))
sys.path.append(str(Path(__file__).parents[1] / "training"))

import toy_process

# Imported once, in the process that all ranks are forked from.
toy_process.PRELOADED += [
    "torch.distributed.tensor.parallel",
    "torch.distributed.fsdp",
    "reference_model.parallel.load",
    "reference_model.training.dpo",
    "reference_model.training.loop",
    "stepbench.generators.step_video_ranks",
]


@pytest.fixture
def on_ranks(warm_processes: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    """`on_ranks(2, check, ...)`: what `check(...)` returned on every rank, in order. A failure anywhere is one here."""
    from ranks import be_a_rank

    def run(size: int, check: Callable[..., Any], *arguments: Any) -> list[Any]:
        folder = tmp_path_factory.mktemp("ranks")
        processes, answers = [], []
        for rank in range(size):
            here, there = warm_processes.Pipe(duplex=False)
            process = warm_processes.Process(target=be_a_rank, args=(there, rank, size, folder, check, arguments))
            process.start()
            there.close()
            processes.append((process, here))
        for rank, (_, here) in enumerate(processes):
            try:
                outcome, value = here.recv() if here.poll(120) else ("silent", "")
            except EOFError:
                outcome, value = "dead", ""
            answers.append((f"rank {rank}", outcome, value))
        for process, here in processes:
            process.kill()
            process.join()
            process.close()
            here.close()
        failed = ["\n".join(map(str, answer)) for answer in answers if answer[1] != "done"]
        assert not failed, "\n".join(failed)
        return [value for _, _, value in answers]

    return run
