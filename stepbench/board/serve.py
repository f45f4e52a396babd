"""Start the leaderboard's pages on a board. The `leaderboard` package is found, never imported, from here."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from stepbench.board.read import BOARD_VARIABLE
from stepbench.errors import EnvironmentUnfitError, UsageError

DEFAULT_PORT = 8501


def serve_board(board: str | Path = "board", *, address: str = "127.0.0.1", port: int = DEFAULT_PORT) -> NoReturn:
    """Become the leaderboard's server: this process is replaced by it, and ends when it is interrupted.

    Args:
        board: Board folder; may be missing or empty, the page then says how to make one.
        address: A loopback address.
        port: Port to listen on.

    Raises:
        UsageError: The address is not a loopback address, or the port is taken.
        EnvironmentUnfitError: The leaderboard or Streamlit is not installed.
    """
    check_address(address, port)
    command = server_command(address, port)
    environment = {**os.environ, BOARD_VARIABLE: str(Path(board).resolve())}
    sys.stdout.flush()
    sys.stderr.flush()
    # Replacing the process leaves nothing behind: no child outlives a killed parent, no signal has to be passed on.
    os.execve(command[0], command, environment)


def check_address(address: str, port: int) -> None:
    """Refuse an address that others can reach, and a port that somebody else has.

    Raises:
        UsageError: As said.
    """
    if not _is_loopback(address):
        raise UsageError(
            f"the leaderboard listens on this machine only, not on {address!r}: it has no access control yet",
            hint="keep --address 127.0.0.1, and reach it from elsewhere through `ssh -L`",
        )
    if not 0 < port < 65536:
        raise UsageError(f"a port lies between 1 and 65535, got {port}", hint=f"for example --port {DEFAULT_PORT}")
    family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # As the server does, so that connections of a server just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {address}:{port}: {error.strerror}", hint=f"give another --port, such as {port + 1}"
            ) from error


def server_command(address: str, port: int) -> list[str]:
    """The command that serves the pages.

    Raises:
        EnvironmentUnfitError: The leaderboard or Streamlit is not installed.
    """
    for package in ("leaderboard", "streamlit"):
        if find_spec(package) is None:
            raise EnvironmentUnfitError(f"the package {package!r} is not installed", hint="pip install stepbench")
    return [sys.executable, "-m", "leaderboard.server", address, str(port)]


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
