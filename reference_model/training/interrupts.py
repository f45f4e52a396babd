"""Signals that ask a program to stop, put off until it has saved its work."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class DeferredSignals:
    """Inside the block, the first Ctrl-C or SIGTERM only sets `received`; it takes its usual course after the block.

    A second one takes its usual course at once. Signals that are ignored stay so, and in other threads than the main
    one, which get none, the block does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._usual: dict[int, Any] = {}

    def __enter__(self) -> DeferredSignals:
        if threading.current_thread() is threading.main_thread():
            usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self._usual = {number: handler for number, handler in usual.items() if handler is not signal.SIG_IGN}
            for number in self._usual:
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()
        if self.received is not None and error is None:
            signal.raise_signal(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._usual = {}
