"""`stepbench prefs import`: votes from a file into a study, a new study, or a plain table of votes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.errors import UsageError
from stepbench.preferences.database import locate
from stepbench.preferences.errors import StudyError
from stepbench.preferences.formats.exchange import BLIND, Format, read_votes, write_votes
from stepbench.preferences.formats.pairs_file import pairs_file, read_pairs_beside
from stepbench.preferences.formats.planned_pairs import pairs_of_votes
from stepbench.preferences.protocol import BUILT_IN, load_protocol
from stepbench.preferences.ratings.counting import Table
from stepbench.preferences.stored_votes import store_votes
from stepbench.preferences.study import Study
from stepbench.preferences.study_tables import StudyTables, is_vote_file


@dataclass(frozen=True, kw_only=True)
class Imported:
    """How many judgements the file had, how many of them are new to the study, and how many are by programs."""

    judgements: int
    new: int
    simulated: int


def import_votes(place: str | Path, file: Path, form: Format, *, protocol: str | None = None) -> Imported:
    """Bring in the votes of a file.

    Args:
        place: A study; a place where there is none yet, which gets one with the pairs that the votes are on; or
            FILE.parquet or FILE.csv, which must not be there yet.
        file: What to read.
        form: Its format.
        protocol: Of a new study; by default the first built-in one that asks what was answered.

    Raises:
        UsageError: The file is not of this format or has votes on other pairs, or the place is taken.
        StudyError: The votes do not fit the study; nothing is stored then.
    """
    if is_vote_file(place):
        target = Path(place)
        if target.exists():
            raise UsageError(f"{target} is there already", hint="choose another name")
        votes = read_votes(file, form)
        facts = {"imported_from": file.name}
        tables = StudyTables(votes=votes, pairs=pairs_of_votes(votes), folder=target.parent, facts=facts, anchors={})
        write_votes(tables, target, "parquet" if target.suffix == ".parquet" else "csv")
        return _imported(votes, len(votes))
    if _exists(place):
        with Study.open(place) as study:
            votes = read_votes(file, form, study.pairs(), study.votes())
            new_pairs = [] if form in BLIND else _new_pairs(study, votes, file)
            return _imported(votes, store_votes(study, votes, new_pairs))
    votes = read_votes(file, form)
    chosen = protocol or _fitting_protocol(votes)
    with Study.create(place, _planned(votes, file), protocol=chosen) as study:
        return _imported(votes, store_votes(study, votes))


def _imported(votes: Table, new: int) -> Imported:
    return Imported(judgements=len(votes), new=new, simulated=int(votes["simulated"].sum()))


def _exists(place: str | Path) -> bool:
    location = locate(place)
    if location.file is not None:
        return location.file.is_file()
    try:
        Study.open(place).close()
    except StudyError:
        return False
    return True


def _new_pairs(study: Study, votes: Table, file: Path) -> list[dict[str, Any]]:
    known = set(study.pairs()["pair_id"])
    return _planned(votes[~votes["pair_id"].isin(known)], file)


def _planned(votes: Table, file: Path) -> list[dict[str, Any]]:
    """The pairs as their file beside the votes has them, else as far as votes tell."""
    beside = read_pairs_beside(file)
    if beside is not None:
        return beside
    kinds = votes.loc[votes["kind"] != "real", "kind"]
    if len(kinds):
        raise UsageError(
            f"{len(kinds)} judgements are on {kinds.iloc[0]} pairs, and {pairs_file(file).name}, which says what is "
            "right in them, is not there",
            hint="keep the two files of an export together, or import into FILE.parquet",
        )
    rows = pairs_of_votes(votes).to_dict("records")
    # As many as there are: the plan behind them is not known.
    targets = votes.groupby("pair_id")["annotator"].nunique()
    return [{**row, "target_votes": int(targets[row["pair_id"]])} for row in rows]


def _fitting_protocol(votes: Table) -> str:
    rated = votes["rating"].notna()
    compared = set(votes.loc[~rated & (votes["winner"] != "skip"), "dimension"])
    ratings = set(votes.loc[rated, "dimension"])
    for name in ("pairwise", "likert", "pairwise-dimensions", "step-video"):
        protocol, _ = load_protocol(name)
        if compared <= {one.id for one in protocol.pairwise} and ratings <= {one.id for one in protocol.ratings}:
            return name
    raise UsageError(
        f"no built-in protocol ({', '.join(BUILT_IN)}) asks for {', '.join(sorted(compared | ratings))}",
        hint="--protocol FILE.toml, such as the protocol.toml of the study that was exported",
    )
