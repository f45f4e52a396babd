"""What people said: the ratings of every study in a folder, and which metrics predict them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stepbench.errors import StepbenchError
from stepbench.preferences.database import ADDRESS_FILE, STUDY_FILE
from stepbench.preferences.study_tables import StudyTables, is_vote_file, read_tables
from stepbench.runs.run import Run

SEED = 0
"""Of the random draws behind ranks and intervals, so that the same votes give the same board."""


def study_places(folder: Path, *, vote_files: bool) -> list[Path]:
    """Studies in a folder, by name: folders that `stepbench prefs new` made, and files of votes where wanted."""
    return [
        path
        for path in sorted(folder.iterdir())
        if any((path / name).is_file() for name in (STUDY_FILE, ADDRESS_FILE)) or (vote_files and is_vote_file(path))
    ]


def read_studies(places: Sequence[Path]) -> dict[str, StudyTables | str]:
    """Name -> tables of a study, or in words why it cannot be read."""
    found: dict[str, StudyTables | str] = {}
    for path in places:
        try:
            found[path.stem] = read_tables(path)
        except StepbenchError as error:
            found[path.stem] = error.message
    return found


def fingerprint(study: StudyTables | str) -> str:
    """Changes when a judgement does."""
    text = study if isinstance(study, str) else study.votes.to_csv(index=False) or ""
    return hashlib.sha256(text.encode()).hexdigest()


def study_record(name: str, study: StudyTables | str, runs: Mapping[str, Run]) -> dict[str, Any]:
    """Everything the pages show of a study, as JSON values; what is no finite number is None.

    Args:
        name: Name of its folder or file.
        study: Its tables, or why there are none.
        runs: Runs on the board by name, for the agreement of metrics with the votes.

    Returns:
        name, facts, problem (why there are no ratings; else None), records (as `StudyRatings.records`), metrics (as
        `votes_and_metrics`), metric_notes and metric_problem.
    """
    from stepbench.preferences.ratings.study_ratings import rate_study

    record: dict[str, Any] = {"name": name, "facts": {}, "problem": None, "records": [], "metrics": []}
    record |= {"metric_notes": [], "metric_problem": None}
    if isinstance(study, str):
        return record | {"problem": study}
    record["facts"] = {key: str(value) for key, value in study.facts.items()}
    try:
        ratings = rate_study(study.votes, rng=np.random.default_rng(SEED), anchors=study.anchors)
    except StepbenchError as error:
        return record | {"problem": error.message}
    record["records"] = [_finite(row) for row in ratings.records()]
    return record | _metrics(study, runs)


def _metrics(study: StudyTables, runs: Mapping[str, Run]) -> dict[str, Any]:
    from stepbench.votes_and_metrics import votes_and_metrics

    named = dict.fromkeys([*study.votes["run_a"].dropna(), *study.votes["run_b"].dropna()])
    known = [runs[name] for name in named if name in runs]
    if not known:
        return {"metric_problem": "none of the runs that it compares is on the board"}
    try:
        table = votes_and_metrics(study.votes, known, seed=SEED)
    except StepbenchError as error:
        return {"metric_problem": error.message}
    rows = [_finite(row) for row in table.to_dict(orient="records")]
    return {"metrics": rows, "metric_notes": [str(note) for note in table.attrs["notes"]]}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
