"""The board: everything the leaderboard shows, computed once from run folders and laid down in one folder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepbench.board.build import Built, LeftOut, build_board
    from stepbench.board.folder import BoardError
    from stepbench.board.read import Board, open_board

_EXPORTS = {
    "Board": "read",
    "BoardError": "folder",
    "Built": "build",
    "LeftOut": "build",
    "build_board": "build",
    "open_board": "read",
}
__all__ = ["Board", "BoardError", "Built", "LeftOut", "build_board", "open_board"]


def __getattr__(name: str) -> Any:
    # Building needs far more than reading, and the leaderboard only reads.
    if name not in _EXPORTS:
        raise AttributeError(f"module 'stepbench.board' has no attribute {name!r}")
    return getattr(import_module(f"stepbench.board.{_EXPORTS[name]}"), name)
