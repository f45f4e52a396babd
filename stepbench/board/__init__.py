"""The board: everything the leaderboard shows, computed once from run folders and laid down in one folder."""

from stepbench.board.build import Built, LeftOut, build_board
from stepbench.board.folder import BoardError
from stepbench.board.read import Board, open_board

__all__ = ["Board", "BoardError", "Built", "LeftOut", "build_board", "open_board"]
