"""Output that cannot be written: a reader that has gone away ends no command, a full disk is an error with exit 3."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from stepbench.errors import IncompleteError


class _Outlasting:
    """A text stream that writes to nowhere once it cannot be written any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._hanging_up():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._hanging_up():
            self._stream.flush()

    @contextmanager
    def _hanging_up(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._hang_up()
        except OSError as error:
            self._hang_up()
            raise IncompleteError(
                f"cannot write {self._stream.name}: {error.strerror}",
                hint="free space, then try again",
            ) from error

    def _hang_up(self) -> None:
        # What still waits in the stream's buffer goes there too, so Python does not complain at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def outlasting_readers() -> Iterator[None]:
    """Inside, a closed pipe ends neither a run nor a gate before it could say what it found."""
    streams = sys.stdout, sys.stderr
    # A closed one is None, to which nothing is printed.
    sys.stdout, sys.stderr = (cast(TextIO, _Outlasting(stream)) if stream else stream for stream in streams)
    try:
        yield
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        sys.stdout, sys.stderr = streams
