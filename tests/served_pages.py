"""Servers of pages, started and ended as a user does it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

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
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment}
    )
    server = Server(f"http://127.0.0.1:{port}")
    try:
        _wait_for(f"{server.address}/_stcore/health", process)
        yield server
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        server.said = output.decode()
        assert process.returncode == 0, server.said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(900):
        assert process.poll() is None, "the server has ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"no answer from {url}")
