"""Votes and pairs wherever they are: a study's folder or database, or a file of votes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench.canonical import sha256_file
from stepbench.errors import UsageError
from stepbench.preferences.formats.planned_pairs import pairs_of_votes
from stepbench.preferences.formats.votes_table import read_csv, read_parquet

VOTE_FILES = {".parquet": read_parquet, ".csv": read_csv}


@dataclass(frozen=True, kw_only=True)
class StudyTables:
    """What ratings and exports are made from.

    Attributes:
        votes: As `Study.votes()`.
        pairs: As `Study.pairs()`; of a file of votes, the pairs that votes are on.
        folder: What relative paths of clips are relative to.
        facts: For manifests: study_id and protocol_sha256, or the file and its sha256.
        anchors: Rated dimension -> the words for 1 to 5.
    """

    votes: pd.DataFrame
    pairs: pd.DataFrame
    folder: Path
    facts: Mapping[str, Any]
    anchors: Mapping[str, list[str]]


def is_vote_file(place: str | Path) -> bool:
    """Whether this names a file of votes, and no study."""
    return "://" not in str(place) and Path(place).suffix in VOTE_FILES


def read_tables(place: str | Path) -> StudyTables:
    """Read a study by URL, folder or SQLite file, or a file of votes (.parquet or .csv).

    Raises:
        UsageError: No such file, or one that is no table of votes.
        StudyError: No such study.
    """
    if is_vote_file(place):
        file = Path(place)
        if not file.is_file():
            raise UsageError(
                f"no file of votes at {file}", hint="`stepbench prefs export STUDY --to parquet` makes one"
            )
        votes = VOTE_FILES[file.suffix](file)
        facts = {"votes_file": file.name, "votes_file_sha256": sha256_file(file)}
        return StudyTables(votes=votes, pairs=pairs_of_votes(votes), folder=file.parent, facts=facts, anchors={})
    from stepbench.preferences.study import Study

    with Study.open(place) as study:
        anchors = {question.id: [words.en for words in question.anchors] for question in study.protocol.ratings}
        facts = {"study_id": study.study_id, "protocol": study.protocol.name}
        facts["protocol_sha256"] = study.protocol_sha256
        return StudyTables(
            votes=study.votes(),
            pairs=study.pairs(),
            folder=study.folder or Path(),
            facts=facts,
            anchors=anchors,
        )
