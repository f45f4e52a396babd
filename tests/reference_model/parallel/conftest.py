"""Runs a function on several ranks of one gloo group, each a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def rank_host() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        patch.setenv("OMP_NUM_THREADS", "1")
        import rank_host as module

        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=module.serve, args=(there,), daemon=False)
        process.start()
        there.close()
        yield here
        here.close()
        process.join(30)


@pytest.fixture
def on_ranks(rank_host: Any) -> Callable[..., list[Any]]:
    """`on_ranks(2, check, ...)`: what `check(...)` returned on every rank, in order. A failure anywhere is one here."""

    def run(size: int, check: Callable[..., Any], *arguments: Any) -> list[Any]:
        rank_host.send((size, check, arguments))
        assert rank_host.poll(120), "the ranks do not answer"
        answers = rank_host.recv()
        failed = [f"rank {rank}: {outcome} {text}" for rank, (outcome, text) in enumerate(answers) if outcome != "done"]
        assert not failed, "\n".join(failed)
        return [value for _, value in answers]

    return run
