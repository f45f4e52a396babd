"""Start a server of the `leaderboard` package, which is found, never imported, from here."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NoReturn

from stepbench.errors import EnvironmentUnfitError, UsageError


def check_port(address: str, port: int) -> None:
    """Refuse an address that is not this machine's, and a port that somebody else has.

    Raises:
        UsageError: As said.
    """
    if not 0 < port < 65536:
        raise UsageError(f"a port lies between 1 and 65535, got {port}", hint="for example --port 8501")
    try:
        # The family that the server takes: `localhost` has two addresses, and the other one may be free.
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, family, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"not an address of this machine: {address!r}", hint="for example 127.0.0.1") from error
    with socket.socket(family, kind, protocol) as probe:
        # As the server does, so that connections of a server just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {address}:{port}: {error.strerror}", hint=f"give another --port, such as {port + 1}"
            ) from error


def server_command(module: str, address: str, port: int) -> list[str]:
    """The command that serves the pages of a module of the `leaderboard` package.

    Raises:
        EnvironmentUnfitError: The leaderboard or Streamlit is not installed.
    """
    for package in ("leaderboard", "streamlit"):
        if find_spec(package) is None:
            raise EnvironmentUnfitError(f"the package {package!r} is not installed", hint="pip install stepbench")
    return [sys.executable, "-m", module, address, str(port)]


def become_server(module: str, address: str, port: int, environment: Mapping[str, str]) -> NoReturn:
    """Become a server: this process is replaced by it, and ends when it is interrupted.

    Args:
        environment: What the server is told, beside the environment of this process.
    """
    command = server_command(module, address, port)
    sys.stdout.flush()
    sys.stderr.flush()
    # Replacing the process leaves nothing behind: no child outlives a killed parent, no signal has to be passed on.
    os.execve(command[0], command, {**os.environ, **environment})


def site(address: str, port: int) -> str:
    """The address for a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
