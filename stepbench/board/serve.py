"""Start the leaderboard's pages on a board."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from stepbench.access.exposure import Access, to_environment
from stepbench.access.listening import become_server, check_port
from stepbench.board.read import BOARD_VARIABLE

DEFAULT_PORT = 8501
LOCAL = Access(way="local")


def serve_board(
    board: str | Path = "board", *, address: str = "127.0.0.1", port: int = DEFAULT_PORT, access: Access = LOCAL
) -> NoReturn:
    """Become the leaderboard's server: this process is replaced by it, and ends when it is interrupted.

    Args:
        board: Board folder; may be missing or empty, the page then says how to make one.
        address: To listen on.
        port: Port to listen on.
        access: How people get in, from `choose_access`, which refuses an address that others reach without a lock.

    Raises:
        UsageError: The address is not this machine's, or the port is taken.
        EnvironmentUnfitError: The leaderboard or Streamlit is not installed.
    """
    check_port(address, port)
    environment = to_environment(access) | {BOARD_VARIABLE: str(Path(board).resolve())}
    become_server("leaderboard.server", address, port, environment)
