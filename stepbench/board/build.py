"""Build a board from a folder of runs: every run is taken in or left out with a reason, then all is put in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from stepbench import __version__
from stepbench.board import gates as gate_files
from stepbench.board.badges import badge_of
from stepbench.board.clips_url import check_clips_url
from stepbench.board.data_folder import Content, write_tables
from stepbench.board.folder import SCHEMA, BoardFolder, folder_in_one_step
from stepbench.board.pairs import MOST_COMPARED
from stepbench.board.part import FINISHED, Part, take_in
from stepbench.board.studies import fingerprint, read_studies, study_places
from stepbench.board.tables import group_parts
from stepbench.canonical import sha256_json
from stepbench.errors import IncompleteError, NothingSelectedError, StepbenchError, UsageError
from stepbench.progress import track
from stepbench.provenance import now
from stepbench.runs.folder import RunFolder
from stepbench.submissions.withdrawals import read_withdrawals

BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A run folder that has no place in any table.

    Attributes:
        run: Name of the folder.
        status: `interrupted`, `running` or `partial` as its `run.json` says, else `broken`.
        reason: What is wrong and what to do about it.
    """

    run: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did.

    Attributes:
        path: The board folder.
        runs: Names of the runs on the board.
        left_out: The others, with the reason.
        tables: Number of tables; runs that must not be compared stand in different ones.
        clips: Number of clips that can be played.
        unchanged: Whether the board in force already showed exactly these runs.
    """

    path: Path
    runs: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    tables: int
    clips: int
    unchanged: bool


def build_board(
    runs: str | Path = "runs",
    out: str | Path = "board",
    *,
    suite: str | None = None,
    studies: str | Path | None = None,
    gates: str | Path | None = None,
    compared: int = MOST_COMPARED,
    clips_url: str | None = None,
) -> Built:
    """Build the board in `out` from every run folder in `runs`. Runs that have not changed since are not read again.

    Args:
        runs: Folder of run folders.
        out: Board folder; made if missing, replaced in one step if it holds a board.
        suite: Take only runs on the suite of this name.
        studies: Folder of preference studies and files of votes; None for the studies inside `runs`.
        gates: Folder of verdicts (`stepbench gate ... --out FILE.json`); None for `gates` inside `runs`.
        compared: Most runs of a table that are compared pair by pair, at least 2; the best ones where there are more.
        clips_url: Address of the clips in an object store, with `{name}` for what lies below `clips/`; None serves them
            from the board folder.

    Raises:
        UsageError: There is no folder `runs`, `studies` or `gates`, fewer than two runs are to be compared, or
            the address of the clips cannot be used.
        NothingSelectedError: No run is on the suite asked for.
        BoardError: `out` holds something else than a board, or is being built by another process.
        IncompleteError: The board cannot be saved; the old one stays in force.
    """
    runs, board = Path(runs), BoardFolder(Path(out))
    if not runs.is_dir():
        raise UsageError(f"no folder of runs at {runs}", hint="give --runs DIR, or make a run: stepbench demo")
    for option, place in (("studies", studies), ("gates", gates)):
        if place is not None and not Path(place).is_dir():
            raise UsageError(f"no folder of {option} at {place}", hint=f"give --{option} DIR, or leave it out")
    if compared < 2:
        raise UsageError(f"at least 2 runs are compared with each other, got {compared}")
    address = check_clips_url(clips_url) if clips_url is not None else ""
    chosen = [path for path in sorted(runs.iterdir()) if _is_run(path) and (suite is None or _suite_of(path) == suite)]
    if suite is not None and not chosen:
        raise NothingSelectedError(f"no run in {runs} is on suite {suite!r}", hint="`stepbench list runs` names suites")
    with board.building():
        parts, left_out = _take_in_all(chosen, board)
        verdicts = gate_files.read_gates(Path(gates) if gates is not None else runs / gate_files.FOLDER)
        left_out += [
            LeftOut(run=f"{gate_files.FOLDER}/{name}", status=BROKEN, reason=why)
            for name, why in verdicts.broken.items()
        ]
        content = Content(
            parts=parts,
            folders={name: runs / name for name in parts},
            badges={name: badge_of(runs / name) for name in parts},
            withdrawn=read_withdrawals(runs),
            left_out=[asdict(item) for item in left_out],
            gates=verdicts.verdicts,
            studies=read_studies(
                study_places(runs if studies is None else Path(studies), vote_files=studies is not None)
            ),
            compared=compared,
        )
        return _put_in_force(board, content, left_out, address)


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("run.json", "plan.jsonl", "samples.jsonl"))


def _suite_of(path: Path) -> str | None:
    try:
        return RunFolder(path).read_info()["suite"]["name"]
    except (StepbenchError, AttributeError, KeyError, TypeError):
        # A folder that cannot say its suite is not on the suite that was asked for.
        return None


def _take_in_all(paths: Sequence[Path], board: BoardFolder) -> tuple[dict[str, Part], list[LeftOut]]:
    parts: dict[str, Part] = {}
    left_out: list[LeftOut] = []
    for path in track(paths, total=len(paths), description="runs"):
        try:
            parts[path.name] = take_in(path, board)
        except IncompleteError:
            raise
        except StepbenchError as error:
            reason = f"{error.message}; {error.hint}" if error.hint else error.message
            left_out.append(LeftOut(run=path.name, status=_status(path), reason=reason))
        except Exception as error:  # noqa: BLE001 - a broken folder is a row with its reason, not the end
            reason = f"cannot be read: {type(error).__name__}: {error}; `stepbench validate` says more"
            left_out.append(LeftOut(run=path.name, status=BROKEN, reason=reason))
    return parts, left_out


def _status(path: Path) -> str:
    """What an unfinished run says of itself; one that says it is finished and cannot be taken in is broken."""
    try:
        status = str(RunFolder(path).read_info()["status"])
    except (StepbenchError, KeyError, TypeError):
        return BROKEN
    return BROKEN if status in FINISHED else status


def _put_in_force(board: BoardFolder, content: Content, left_out: Sequence[LeftOut], clips_url: str) -> Built:
    parts = content.parts
    data = f"data-{_digest(content)[:16]}"
    old = board.read_pointer() if _has_board(board) else {}
    unchanged = old.get("data") == data and old.get("clips_url", "") == clips_url and (board.path / data).is_dir()
    if unchanged:
        pointer = old
    else:
        pairs = None
        if not (board.path / data).is_dir():
            with folder_in_one_step(board.path / data) as scratch:
                pairs = write_tables(scratch, content, board)
        clips = {name for part in parts.values() for name in part.samples()["clip"].dropna()}
        pointer = {
            "kind": "stepbench board",
            "stepbench": __version__,
            "built_at": now(),
            "data": data,
            "runs": len(parts),
            "left_out": len(left_out),
            "tables": len(group_parts(parts)),
            "clips": len(clips),
            "clips_url": clips_url,
        }
        board.publish(pointer)
        _sweep(board, [data, old.get("data")], pairs, clips)
    return Built(
        path=board.path,
        runs=tuple(parts),
        left_out=tuple(left_out),
        tables=pointer["tables"],
        clips=pointer["clips"],
        unchanged=unchanged,
    )


def _digest(content: Content) -> str:
    """Of all that the tables are made from."""
    return sha256_json(
        [
            SCHEMA,
            __version__,
            {name: part.digest for name, part in content.parts.items()},
            dict(content.badges),
            dict(content.withdrawn),
            list(content.left_out),
            list(content.gates),
            {name: fingerprint(study) for name, study in content.studies.items()},
            content.compared,
        ]
    )


def _has_board(board: BoardFolder) -> bool:
    try:
        board.read_pointer()
    except StepbenchError:
        # Of another schema or broken: built anew, as its message advises.
        return False
    return True


def _sweep(board: BoardFolder, data: Sequence[str | None], pairs: set[str] | None, clips: set[str]) -> None:
    """Remove what neither this board nor the one before it shows: a page may still be reading the latter."""
    kept = [name for name in data if name and (board.path / name).is_dir()]
    parts: set[str] = set()
    for name in kept:
        parts |= set(pd.read_parquet(board.path / name / "runs.parquet").part.dropna())
    wanted = set(clips)
    for digest in parts:
        file = board.parts / digest / "samples.parquet"
        if file.is_file():
            wanted |= set(pd.read_parquet(file, columns=["clip"])["clip"].dropna())
    board.sweep(data=kept, parts=parts, pairs=pairs, clips=wanted)
