"""Two clips side by side that play, pause, step and loop as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from leaderboard.language import words

_WORDS = ("back", "forward", "play", "pause", "frame", "speed", "loop", "score", "unplayable")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two clips.

    Attributes:
        title: What stands under the clip; the only thing on screen that may say who made it.
        url: Address of a video that the browser can play, or None where there is no clip.
        reason: Why there is no clip.
        frames: Number of frames.
        fps: Frames per second.
        width: Of a frame, in pixels.
        height: Of a frame, in pixels.
    """

    title: str
    url: str | None = None
    reason: str = ""
    frames: int = 1
    fps: float = 8.0
    width: int = 16
    height: int = 9


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A row of the table beside the clips: a label and a text for either side.

    Attributes:
        better: `left`, `right`, or empty where neither is better.
    """

    label: str
    left: str
    right: str
    better: str = ""


def video_pair(
    left: Side, right: Side, *, prompt: str, language: str, heading: str, key: str, facts: Sequence[Fact] = ()
) -> None:
    """Show two clips of one prompt under common controls. Every text is shown as it is, never read as markup.

    Keys, while the pair has the focus: space or k plays and pauses, the arrows (or , and .) step by one frame, Home and
    End go to the ends, l switches the loop, - and + change the speed.

    Args:
        prompt: The text that both clips were made from.
        language: BCP 47 code of the prompt, for fonts and screen readers.
        heading: Short text above the prompt, such as `prompt 3 of 20, seed 0`.
        key: Unique on the page; the same key with the same clips keeps playing through a rerun.
        facts: Rows of the table beside the clips.
    """
    word = words("player")
    data: dict[str, Any] = {
        "sides": [asdict(left), asdict(right)],
        "prompt": prompt,
        "language": language,
        "heading": heading,
        "facts": [asdict(fact) for fact in facts],
        "label": word("label", heading=heading, left=left.title, right=right.title),
        "words": {key: word(key) for key in _WORDS},
    }
    _component()(key=key, data=data)


@cache
def _component() -> Any:
    folder = Path(__file__).parent
    html, css, js = ((folder / f"video_pair.{suffix}").read_text(encoding="utf-8") for suffix in ("html", "css", "js"))
    player = (folder.parent / "player.js").read_text(encoding="utf-8")
    return component("stepbench_video_pair", html=html, css=css, js=player + js)
