"""Serve a study's voting pages: nothing is served that could tell who made a clip."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from stepbench.access.exposure import Access, to_environment
from stepbench.access.listening import become_server, check_port
from stepbench.preferences.clips import CLIPS
from stepbench.preferences.errors import StudyError
from stepbench.preferences.study import Study

STUDY_VARIABLE = "STEPBENCH_STUDY"
"""Environment variable that tells the voting pages which study folder to serve."""
DEFAULT_PORT = 8502


def check_servable(folder: Path) -> None:
    """Refuse a study that cannot be shown to annotators.

    Raises:
        StudyError: No such study, no pairs, or clips outside the study's own `clips/`, whose names and tags nobody has
            made neutral.
    """
    if not folder.is_dir():
        raise StudyError(f"no study folder {folder}", hint="make one with `stepbench prefs new`")
    with Study.open(folder) as study:
        pairs = study.pairs()
        if study.folder is None or pairs.empty:
            raise StudyError(f"no pairs are planned in {folder}", hint="stepbench prefs plan STUDY RUN RUN")
        clips = [clip for name in ("clip_1", "clip_2") for clip in pairs[name] if clip is not None]
        outside = [clip for clip in clips if Path(clip).parent != Path(CLIPS) or not (study.folder / clip).is_file()]
    if outside:
        raise StudyError(
            f"{len(outside)} of {len(clips)} clips are not files in {folder / CLIPS}: their names and tags might say "
            "who made them",
            hint="plan the study with `stepbench prefs plan`, which copies clips under neutral names",
        )


def serve_study(folder: Path, access: Access, *, address: str = "127.0.0.1", port: int = DEFAULT_PORT) -> NoReturn:
    """Become the server of a study's voting pages, until it is interrupted.

    Raises:
        StudyError: As `check_servable`.
        UsageError: The address or port cannot be used.
        EnvironmentUnfitError: The leaderboard or Streamlit is not installed.
    """
    check_servable(folder)
    check_port(address, port)
    environment = to_environment(access) | {STUDY_VARIABLE: str(folder.resolve())}
    become_server("leaderboard.voting_server", address, port, environment)
