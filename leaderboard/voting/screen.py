"""The data of the vote screen: a pair in the annotator's language, and nothing that tells who made a clip."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from leaderboard.translation import Words
from stepbench.preferences import Assignment, Protocol, Study
from stepbench.preferences.records import OwnProgress
from stepbench.video import VideoError, VideoInfo, probe

_SCREEN_WORDS = (
    *("back", "forward", "play", "pause", "frame", "speed", "loop", "flip", "full", "unplayable", "watch_first"),
    *("open", "broken", "choice_a", "choice_b", "choice_tie", "choice_both_bad", "reasons", "comment", "send", "skip"),
    *("undo", "keys", "sending", "retry", "open_alone", "watch_alone"),
)
_KEYS = (
    *(("Space", "key_play"), ("← →", "key_step"), ("- +", "key_speed"), ("L", "key_loop"), ("F", "key_flip")),
    *(("G", "key_side_by_side"), ("Z", "key_full"), ("1 2", "key_choose"), ("T", "key_tie"), ("B", "key_both_bad")),
    *(("1 … 5", "key_rate"), ("⌫", "key_back"), ("Enter", "key_send"), ("S", "key_skip"), ("U", "key_undo")),
    ("?", "key_help"),
)


def clip_file(study: Study, clip: str | None) -> Path | None:
    """The file of a clip, which must lie among the study's own; None for anything else."""
    if clip is None or study.folder is None or "://" in clip:
        return None
    folder = (study.folder / "clips").resolve()
    path = (study.folder / clip).resolve()
    return path if path.parent == folder and path.is_file() else None


def clip_info(study: Study, clip: str | None) -> VideoInfo | None:
    """Frames, rate and size of a clip; None where there is none that can be played."""
    path = clip_file(study, clip)
    return None if path is None else _probed(path, path.stat().st_mtime_ns)


def lengths(study: Study, assignment: Assignment) -> tuple[float | None, float | None]:
    """Seconds of both clips, left and right."""
    left, right = (clip_info(study, clip) for clip in (assignment.left, assignment.right))
    return left.frames / left.fps if left else None, right.frames / right.fps if right else None


def screen_data(study: Study, assignment: Assignment, progress: OwnProgress, words: Words) -> dict[str, Any]:
    """What the component `vote` shows. Clips stand under the assignment's id, not under a name of their own."""
    protocol, language = study.protocol, words.language
    alone = not protocol.pairwise
    titles = ("first_clip", "second_clip") if alone else ("side_a", "side_b")
    return {
        "assignment": assignment.assignment_id,
        "sides": [
            _side(clip_info(study, clip), f"clips/{assignment.assignment_id}/{side}.mp4", words(title), words)
            for side, title, clip in (("a", titles[0], assignment.left), ("b", titles[1], assignment.right))
        ],
        "alone": alone,
        "prompt": assignment.text,
        "language": assignment.language,
        "heading": heading(assignment, progress, words),
        "questions": _questions(protocol, language),
        "reasons": [{"id": reason.id, "text": reason.text.in_language(language)} for reason in protocol.reasons],
        "skip": protocol.skip,
        "comment": protocol.free_text,
        "beat_seconds": min(60.0, protocol.lease_minutes * 20),
        "words": {key: words(key) for key in _SCREEN_WORDS},
        "keys": [[key, words(meaning)] for key, meaning in _keys(protocol)],
    }


def heading(assignment: Assignment, progress: OwnProgress, words: Words) -> str:
    """Which pair this is for the annotator."""
    if assignment.calibration:
        return words("practice", number=progress.practised + 1, total=max(progress.practice, progress.practised + 1))
    return words("pair", number=progress.judged + 1)


def _side(info: VideoInfo | None, url: str, title: str, words: Words) -> dict[str, Any]:
    if info is None:
        return {
            "title": title,
            "url": None,
            "reason": words("unplayable"),
            "frames": 1,
            "fps": 1,
            "width": 16,
            "height": 9,
        }
    geometry = {"frames": info.frames, "fps": info.fps, "width": info.width, "height": info.height}
    return {"title": title, "url": url, "reason": "", **geometry}


def _questions(protocol: Protocol, language: str) -> list[dict[str, Any]]:
    return [
        {
            "id": question.id,
            "form": question.form,
            "text": question.text.in_language(language),
            "choices": list(question.choices),
            "anchors": [anchor.in_language(language) for anchor in question.anchors],
            "required": question.required,
        }
        for question in protocol.questions
    ]


def _keys(protocol: Protocol) -> list[tuple[str, str]]:
    choices = {choice for question in protocol.pairwise for choice in question.choices}
    needless = {
        "key_flip": not choices,
        "key_side_by_side": not choices,
        "key_choose": not choices,
        "key_tie": "tie" not in choices,
        "key_both_bad": "both_bad" not in choices,
        "key_rate": not protocol.ratings,
        "key_skip": not protocol.skip,
    }
    return [(key, meaning) for key, meaning in _KEYS if not needless.get(meaning)]


@lru_cache(maxsize=4096)
def _probed(path: Path, _changed: int) -> VideoInfo | None:
    try:
        info = probe(path)
    except VideoError:
        return None
    return info if info.frames > 0 and info.fps > 0 else None
