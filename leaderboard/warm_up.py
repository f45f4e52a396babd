"""What the first visitor would wait for, done before the server listens: imports, and what the first page reads."""

from __future__ import annotations

import gc
from importlib import import_module


def warm_up() -> None:
    """Import what the pages need, read and draw what the first one shows, and set all that aside from collection."""
    from altair.utils import schemapi

    from leaderboard.app import PAGES

    # The tests check the shape of every chart; checking it on every click as well costs as much as making it.
    schemapi.disable_debug_mode()
    for page in PAGES:
        import_module(f"leaderboard.pages.{page}")
    _read_and_draw()
    # Streamlit collects garbage after every run of a page, and would look at all of the imported modules each time.
    gc.collect()
    gc.freeze()


def _read_and_draw() -> None:
    from leaderboard import charts
    from leaderboard.data import current_board
    from leaderboard.rows import of_metric
    from leaderboard.translation import Words
    from stepbench.board.folder import BoardError

    try:
        board = current_board()
        for table in list(board.tables.values())[:1]:
            rows = board.summary(table["table_id"], "all", "")
            for metric_id in table["metric_ids"][:1]:
                card = board.cards[metric_id]
                best = of_metric(rows, metric_id, card["direction"]).head(charts.MOST_ROWS)
                charts.whiskers(best, card, Words("charts", "en")).to_dict()
    except BoardError:
        # The page says so, and what to do about it.
        return
