"""The screen on which an annotator judges a pair: player, questions, reasons, keys."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component


def vote_screen(data: dict[str, Any], *, key: str) -> Any:
    """Show a pair. Every text is shown as it is, never read as markup.

    Args:
        data: As `leaderboard.voting.screen.screen_data` puts it together.
        key: One per assignment; the same key with the same pair keeps what was watched and answered through a rerun.

    Returns:
        What the annotator did: `vote` (a dict), `undo` or `beat` (the assignment's id), each None where it did not
        happen. All of it comes from a browser and is to be checked.
    """
    return _component()(
        key=key,
        data=data,
        on_vote_change=_nothing,
        on_undo_change=_nothing,
        on_beat_change=_nothing,
    )


def _nothing() -> None:
    """The page looks at the value itself, after the run has begun."""


@cache
def _component() -> Any:
    here, shared = Path(__file__).parent, Path(__file__).parents[1]
    script = (shared / "player.js", here / "watching.js", here / "questions.js", here / "vote.js")
    style = (shared / "video_pair" / "video_pair.css", here / "vote.css")
    html = (here / "vote.html").read_text(encoding="utf-8")
    return component("stepbench_vote", html=html, css=_joined(style), js=_joined(script))


def _joined(files: tuple[Path, ...]) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
