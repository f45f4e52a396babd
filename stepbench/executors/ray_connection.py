"""A connection to Ray, for as long as a command lasts: a cluster by address, or one inside this process."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

from stepbench.errors import EnvironmentUnfitError, UsageError

ADDRESS = re.compile(r"[^/:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
REACH_SECONDS = 10.0
INSTALL = "pip install 'stepbench[ray]'"


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[Any]:
    """The module `ray`, connected. A connection that this process has already is used, and stays.

    Args:
        address: `auto` or HOST:PORT of a cluster; None starts one on this machine, which ends with the block.
        workers: Actors that a cluster started here must have room for.

    Raises:
        UsageError: No address of a cluster.
        EnvironmentUnfitError: Ray is not installed, or does not answer.
    """
    require_address(address)
    with ExitStack() as ends:
        # Ray's thread prints warnings on stdout, which belongs to records alone.
        ends.enter_context(redirect_stdout(sys.stderr))
        ray = _import_ray()
        if ray.is_initialized():
            yield ray
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            # More workers than cores are let in, as by the local executor.
            cores = max(os.cpu_count() or 1, workers)
            options |= {"address": "local", "num_cpus": cores, "include_dashboard": False}
        else:
            options |= {"address": address}
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            if address is not None:
                _reach(address)
            ray.init(**options)
        except Exception as error:  # Ray raises plain ones where a machine is too busy to start it in time
            raise EnvironmentUnfitError(
                f"Ray cannot be reached at {address or 'this machine'}: {type(error).__name__}: {error}",
                hint="`ray status` shows whether a cluster is up; without --ray-address one is started here, "
                "which takes a minute of a busy machine: try again",
            ) from error
        ends.callback(ray.shutdown)
        if threading.current_thread() is threading.main_thread():
            # Ray ends the process at once; here the run must first note that it was interrupted.
            signal.signal(signal.SIGTERM, on_sigterm)
        yield ray


def require_address(address: str | None) -> None:
    """Refuse what cannot be the address of a cluster.

    Raises:
        UsageError: It is neither `auto` nor HOST:PORT.
    """
    if address is not None and not _is_address(address):
        raise UsageError(
            f"--ray-address must be auto or HOST:PORT, got {address!r}", hint="`ray start --head` prints the address"
        )


def _is_address(text: str) -> bool:
    return text == "auto" or (ADDRESS.fullmatch(text) is not None and 0 < int(text.rpartition(":")[2]) < 2**16)


def _reach(address: str) -> None:
    """Refuse an address where nobody listens; Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS):
        pass


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise EnvironmentUnfitError(
            f"--executor ray needs Ray, which cannot be imported ({error})", hint=INSTALL
        ) from error
    return ray
