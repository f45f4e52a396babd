"""A connection to Ray, for as long as a command lasts: a cluster by address, or one inside this process."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

from stepbench.errors import EnvironmentUnfitError

INSTALL = "pip install 'stepbench[ray]'"


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[Any]:
    """The module `ray`, connected. A connection that this process has already is used, and stays.

    Args:
        address: `auto` or HOST:PORT of a cluster; None starts one on this machine, which ends with the block.
        workers: Actors that a cluster started here must have room for.

    Raises:
        EnvironmentUnfitError: Ray is not installed, or does not answer.
    """
    with ExitStack() as ends:
        # Ray's thread prints warnings on stdout, which belongs to records alone.
        ends.enter_context(redirect_stdout(sys.stderr))
        ray = _import_ray()
        if ray.is_initialized():
            yield ray
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            # More workers than cores are let in, as by the local executor. Nothing listens beyond this machine.
            cores = max(os.cpu_count() or 1, workers)
            options |= {"address": "local", "num_cpus": cores, "include_dashboard": False}
            options |= {"_node_ip_address": "127.0.0.1"}
        else:
            options |= {"address": address}
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise EnvironmentUnfitError(
                f"Ray cannot be reached at {address or 'this machine'}: {type(error).__name__}: {error}",
                hint="`ray status` shows whether a cluster is up; without --ray-address one is started here",
            ) from error
        ends.callback(ray.shutdown)
        if threading.current_thread() is threading.main_thread():
            # Ray ends the process at once; here the run must first note that it was interrupted.
            signal.signal(signal.SIGTERM, on_sigterm)
        yield ray


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise EnvironmentUnfitError(
            f"--executor ray needs Ray, which cannot be imported ({error})", hint=INSTALL
        ) from error
    return ray
