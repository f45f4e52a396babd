"""The folder of a study: its database or where that is, its protocol for people to read, and its clips."""

from __future__ import annotations

import json
from pathlib import Path

from stepbench.preferences.database import ADDRESS_FILE, STUDY_FILE
from stepbench.preferences.errors import StudyError
from stepbench.preferences.founding import Purpose
from stepbench.preferences.study import Study
from stepbench.runs.journal import saving

PROTOCOL_FILE = "protocol.toml"


def new_study(
    folder: Path,
    *,
    protocol: str = "pairwise",
    seed: int = 0,
    purpose: Purpose = "ranking",
    url_from: str | None = None,
) -> Study:
    """Make a study in a folder of its own.

    Args:
        folder: Its name is the study's id.
        protocol: Built-in name, or a TOML file.
        seed: Of pairs and sides.
        purpose: "gate" forbids adaptive pairing.
        url_from: Name of the environment variable with the URL of a PostgreSQL database; the URL, which may hold a
            password, is stored nowhere.

    Raises:
        StudyError: There is a study already, or something given cannot be used.
        IncompleteError: The folder cannot be written.
    """
    if any((folder / name).exists() for name in (STUDY_FILE, ADDRESS_FILE)):
        raise StudyError(f"there is a study already in {folder}", hint="choose another folder")
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if url_from is not None:
        address = folder / ADDRESS_FILE
        with saving(address):
            address.write_text(json.dumps({"url_from": url_from}) + "\n", encoding="utf-8")
    try:
        study = Study.create(folder, protocol=protocol, seed=seed, purpose=purpose, study_id=folder.resolve().name)
    except StudyError:
        # Nothing was founded, so nothing may point at it.
        (folder / ADDRESS_FILE).unlink(missing_ok=True)
        raise
    with saving(folder / PROTOCOL_FILE):
        (folder / PROTOCOL_FILE).write_text(study.protocol_text, encoding="utf-8")
    return study
