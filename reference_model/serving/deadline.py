"""Reading from a socket with a deadline for the whole, so that nobody keeps a thread by sending a byte now and then."""

from __future__ import annotations

import io
import socket
import time
from typing import Any


class DeadlineReader(io.RawIOBase):
    """The receiving side of a socket. Reads raise `TimeoutError` once the time that was allowed last is over."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Starts a new deadline."""
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Waits for some bytes; 0 at the end."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the time for this request is over")
        self._connection.settimeout(remaining)
        return self._connection.recv_into(buffer)
