"""Servers of pages, started and ended as a user does it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


@dataclass
class Server:
    """Where a server answers; once it has ended, what it said."""

    address: str
    said: str = ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(*words: object, port: int | None = None, **environment: str) -> Iterator[Server]:
    """`stepbench WORDS` while it serves; interrupted at last, it must end well."""
    port = port or free_port()
    command = [sys.executable, "-m", "stepbench", *map(str, words), "--port", str(port)]
    # Unbuffered, so that reading its first line swallows nothing of the rest.
    process = subprocess.Popen(
        command,
        bufsize=0,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    server = Server(f"http://127.0.0.1:{port}")
    try:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        assert server.address in first, first
        # No address is said before it answers.
        urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=30).close()
        yield server
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        server.said = first + output.decode()
        assert process.returncode == 0, server.said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
