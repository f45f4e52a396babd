"""Votes in and out by the name of a format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from stepbench.errors import UsageError
from stepbench.preferences.dpo.preference_rows import read_preference_votes
from stepbench.preferences.formats.arena import read_arena, write_arena
from stepbench.preferences.formats.argilla import read_argilla, write_argilla
from stepbench.preferences.formats.label_studio import read_label_studio, write_label_studio
from stepbench.preferences.formats.pairs_file import write_pairs
from stepbench.preferences.formats.videoalign import read_videoalign, write_videoalign
from stepbench.preferences.formats.videoalign_votes import votes_file
from stepbench.preferences.formats.votes_table import read_csv, read_parquet, write_csv, write_parquet
from stepbench.preferences.study_tables import VOTE_FILES, StudyTables

TableFormat = Literal["csv", "parquet", "arena", "videoalign", "labelstudio", "argilla"]
Format = Literal["dpo", "trl", "videoalign", "arena", "labelstudio", "argilla", "csv", "parquet"]
BLIND = ("labelstudio", "argilla")
"""Formats that name no model, so that their votes come back into the study alone that they were exported from."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a file holds: `judgements` of `of` that stand, how many of `of` are by programs, what to know about it."""

    judgements: int
    of: int
    simulated: int
    notes: tuple[str, ...] = ()


def write_votes(tables: StudyTables, path: Path, form: TableFormat, *, url_prefix: str = "") -> Written:
    """Write the votes of a study; csv and parquet with the pairs beside them (`pairs_file`).

    Args:
        tables: The study.
        path: The file.
        form: Its format.
        url_prefix: Put before the paths of clips, in the formats that people label in.

    Raises:
        UsageError: The format cannot hold this study, or the file cannot have this name.
        NothingSelectedError: No vote is of the kind that the format holds.
    """
    votes, total = tables.votes, len(tables.votes)
    simulated = int(votes["simulated"].to_numpy(dtype=bool).sum())
    said = [f"SIMULATED: {simulated} of {total} judgements are by programs"] if simulated else []
    if form in BLIND:
        write = {"labelstudio": write_label_studio, "argilla": write_argilla}[form]
        path.parent.mkdir(parents=True, exist_ok=True)
        judgements = write(votes, tables.pairs, path, url_prefix=url_prefix)
        return Written(judgements=judgements, of=total, simulated=simulated, notes=tuple(said))
    if form in ("csv", "parquet") and path.suffix in VOTE_FILES and path.suffix != f".{form}":
        raise UsageError(f"a {form} file cannot be called {path.name}", hint=f"{path.with_suffix('.' + form).name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "videoalign":
        found = write_videoalign(votes, path)
        notes = [f"{column} holds the votes on {name}" for column, name in found.dimensions.items()]
        if found.left_out:
            notes.append(f"{found.left_out} judgements lack one of VQ, MQ, TA and are left out")
        notes += ["ties and 'both bad' are both `same` there", f"{votes_file(path).name} says whose votes these are"]
        return Written(judgements=found.rows, of=total, simulated=simulated, notes=(*notes, *said))
    simple: dict[str, Callable[[pd.DataFrame, Path], int]] = {
        "csv": write_csv,
        "parquet": write_parquet,
        "arena": write_arena,
    }
    if form != "arena":
        write_pairs(tables.pairs, path)
    return Written(judgements=simple[form](votes, path), of=total, simulated=simulated, notes=tuple(said))


def read_votes(
    path: Path, form: Format, pairs: pd.DataFrame | None = None, standing: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Read votes from a file, or of `dpo` and `trl` from a folder.

    Args:
        path: The file.
        form: Its format.
        pairs: The pairs of the study that the votes belong to, where there is one.
        standing: Its votes, by which those that it has already are known.

    Raises:
        UsageError: The file is not of this format, or a format needs the study and there is none.
    """
    if not path.exists():
        raise UsageError(f"no file at {path}")
    if form in ("labelstudio", "argilla"):
        if pairs is None:
            raise UsageError(
                f"{form} files name no model, so they come back into their study only",
                hint="stepbench prefs import STUDY FILE --from " + form,
            )
        return read_label_studio(path, pairs) if form == "labelstudio" else read_argilla(path, pairs, standing)
    if form == "videoalign":
        return read_videoalign(path, pairs)
    if form in ("dpo", "trl"):
        return read_preference_votes([path])
    return {"csv": read_csv, "parquet": read_parquet, "arena": read_arena}[form](path)


FORMATS = get_args(Format)
