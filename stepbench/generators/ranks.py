"""One generator over several processes: rank 0 owns the run or the sample, the others help with every clip."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from stepbench.errors import IncompleteError, StepbenchError
from stepbench.generators.protocol import Clip, Generator
from stepbench.records import GeneratorCard, Prompt, Request, Settings

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

WAIT_FOR_WORK = timedelta(days=30)
"""The others wait for the next clip while rank 0 scores; if rank 0 dies, the connection breaks at once."""

GRACE_SECONDS = 10.0
"""How long another rank stays after a failure, so that rank 0, which mostly meets the same one, can say so first."""


class RankFailedError(IncompleteError):
    """A rank cannot go on, and without it neither can the others."""


class RankZeroGoneError(RankFailedError):
    """The rank that asks for clips is no longer there."""


def work_on_ranks(generator: Generator, rank: int, work: Callable[[Generator], int]) -> int:
    """Runs `work` on rank 0, with a generator that every rank has a part in; the others return when it is done.

    To be called on all ranks, after `reference_model.training.distributed.start`.

    Args:
        generator: The same on every rank.
        rank: Of this process.
        work: What is to be done, given the generator; returns an exit code.

    Returns:
        The exit code of `work` on rank 0, and 0 on the others.

    Raises:
        StepbenchError: On rank 0, whatever `work` raises. The others end with it.
    """
    control = control_group()
    if rank == 0:
        code = work(RankedGenerator(generator, control))
        _send({}, control)
        return code
    # Ctrl-C reaches all processes of a terminal; torchrun ends this one when rank 0 has saved what there is.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _serve_until_the_end(generator, rank, control)
    return 0


def control_group() -> ProcessGroup:
    """What rank 0 asks the others by; made by all ranks alike, once they have met."""
    from torch import distributed

    control = distributed.new_group(backend="gloo", timeout=WAIT_FOR_WORK)
    assert isinstance(control, distributed.ProcessGroup)  # this rank is a member
    return control


class RankedGenerator:
    """A generator that tells the other ranks of every request before it takes its own part.

    A failure on any rank ends the whole group, since the others wait for it: it is raised as a `RankFailedError`. Under
    torchrun that leaves the run as it is, to be continued by the same command.
    """

    def __init__(self, generator: Generator, control: ProcessGroup) -> None:
        self.card: GeneratorCard = generator.card
        self._generator, self._control = generator, control

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """As the generator itself: parallelism is no setting, and part of no key."""
        return self._generator.resolve(prompt, seed, settings)

    def generate(self, request: Request) -> Clip:
        """The clip of one request, by all ranks.

        Raises:
            RankFailedError: Any rank failed or died.
        """
        with _ending_the_job():
            _send(asdict(request) | {"output_dir": str(request.output_dir)}, self._control)
            clip = self._generator.generate(request)
        frames = clip.frames
        return (
            clip if frames is None or isinstance(frames, np.ndarray) else replace(clip, frames=_guarded(iter(frames)))
        )


def _guarded(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    while True:
        with _ending_the_job():
            chunk = next(frames, None)
        if chunk is None:
            return
        yield chunk
        del chunk


@contextmanager
def _ending_the_job() -> Iterator[None]:
    try:
        yield
    except StepbenchError as error:
        raise RankFailedError(error.message, hint=error.hint) from error
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise RankFailedError(
            f"rank 0 cannot go on, or another rank is gone: {type(error).__name__}: {lines[0][:300]}",
            hint="torchrun names the rank that failed first; what is done is saved, the same command continues",
        ) from error


def serve(generator: Generator, control: ProcessGroup) -> None:
    """Take part in every clip that rank 0 asks for, until it says that there are no more.

    Raises:
        RankZeroGoneError: Rank 0 has ended, and has said why.
        Exception: Whatever the generator raises.
    """
    while True:
        try:
            asked = _receive(control)
        except RuntimeError as error:
            raise RankZeroGoneError("rank 0 has ended") from error
        if not asked:
            return
        output_dir = Path(asked.pop("output_dir"))
        clip = generator.generate(Request(**asked, output_dir=output_dir))
        if clip.frames is not None:
            for _ in clip.frames:
                pass


@dataclass(frozen=True)
class OtherRank:
    """A rank that takes part in what rank 0 asks for; called as the workers of an executor are."""

    generator: Generator
    control: ProcessGroup

    def __call__(self, _: Any) -> None:
        """Serve until there are no more requests. Errors: `serve`."""
        serve(self.generator, self.control)


@runtime_checkable
class SharedSource(Protocol):
    """A generator over ranks that an executor starts, each of which joins."""

    def join_ranks(self) -> RankedGenerator | OtherRank:
        """This rank's part, once all have met: rank 0 gets the generator."""
        ...


def _serve_until_the_end(generator: Generator, rank: int, control: ProcessGroup) -> None:
    try:
        serve(generator, control)
    except RankZeroGoneError:
        _leave(rank, "")
    except Exception as error:  # noqa: BLE001 - said here, since this rank has nobody to hand it to
        _leave(rank, f"{type(error).__name__}: {error}")


def _leave(rank: int, reason: str) -> None:
    from reference_model.training.ending import leave

    if reason:
        sys.stderr.write(f"stepbench: rank {rank} failed: {reason}\n")
    time.sleep(GRACE_SECONDS)
    leave(IncompleteError.exit_code)


def _send(message: dict[str, Any], control: ProcessGroup) -> None:
    import torch
    from torch import distributed

    body = torch.tensor(list(json.dumps(message).encode()), dtype=torch.uint8)
    distributed.broadcast(torch.tensor(len(body)), src=0, group=control)
    distributed.broadcast(body, src=0, group=control)


def _receive(control: ProcessGroup) -> dict[str, Any]:
    import torch
    from torch import distributed

    size = torch.tensor(0)
    distributed.broadcast(size, src=0, group=control)
    body = torch.empty(int(size), dtype=torch.uint8)
    distributed.broadcast(body, src=0, group=control)
    return json.loads(bytes(body.tolist()))
