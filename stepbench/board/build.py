"""Build a board from a folder of runs: every run is taken in or left out with a reason, then all is put in force."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench import __version__
from stepbench.board.folder import SCHEMA, BoardFolder, folder_in_one_step
from stepbench.board.part import FACTS, FINISHED, Part, take_in
from stepbench.board.tables import SUMMARY_COLUMNS, group_parts, row_labels, table_card, table_summary
from stepbench.canonical import canonical_json, sha256_json
from stepbench.errors import IncompleteError, NothingSelectedError, StepbenchError, UsageError
from stepbench.progress import track
from stepbench.provenance import now
from stepbench.runs.folder import RunFolder, write_atomically

BROKEN = "broken"

RUN_COLUMNS = (
    "run",
    "label",
    "on_board",
    "status",
    "reason",
    "table_id",
    "part",
    *FACTS,
    *(f"n_{name}" for name in ("planned", "ok", "failed", "refused", "missing")),
)
"""Columns of `runs.parquet`, one row per run folder; a run that is left out has the first five alone."""


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


def build_board(runs: str | Path = "runs", out: str | Path = "board", *, suite: str | None = None) -> Built:
    """Build the board in `out` from every run folder in `runs`. Runs that have not changed since are not read again.

    Args:
        runs: Folder of run folders.
        out: Board folder; made if missing, replaced in one step if it holds a board.
        suite: Take only runs on the suite of this name.

    Raises:
        UsageError: There is no folder `runs`.
        NothingSelectedError: No run is on the suite asked for.
        BoardError: `out` holds something else than a board, or is being built by another process.
        IncompleteError: The board cannot be saved; the old one stays in force.
    """
    runs, board = Path(runs), BoardFolder(Path(out))
    if not runs.is_dir():
        raise UsageError(f"no folder of runs at {runs}", hint="give --runs DIR, or make a run: stepbench demo")
    chosen = [path for path in sorted(runs.iterdir()) if _is_run(path) and (suite is None or _suite_of(path) == suite)]
    if suite is not None and not chosen:
        raise NothingSelectedError(f"no run in {runs} is on suite {suite!r}", hint="`stepbench list runs` names suites")
    with board.building():
        parts, left_out = _take_in_all(chosen, board)
        return _put_in_force(board, parts, left_out)


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


def _put_in_force(board: BoardFolder, parts: Mapping[str, Part], left_out: Sequence[LeftOut]) -> Built:
    names = {name: part.digest for name, part in parts.items()}
    digest = sha256_json([SCHEMA, __version__, names, [[item.run, item.status, item.reason] for item in left_out]])
    data = f"data-{digest[:16]}"
    old = board.read_pointer() if _has_board(board) else {}
    unchanged = old.get("data") == data and (board.path / data).is_dir()
    if unchanged:
        pointer = old
    else:
        tables = group_parts(parts)
        if not (board.path / data).is_dir():
            with folder_in_one_step(board.path / data) as scratch:
                _write_tables(scratch, tables, left_out)
        clips = {name for part in parts.values() for name in part.samples()["clip"].dropna()}
        pointer = {
            "kind": "stepbench board",
            "stepbench": __version__,
            "built_at": now(),
            "data": data,
            "runs": len(parts),
            "left_out": len(left_out),
            "tables": len(tables),
            "clips": len(clips),
        }
        board.publish(pointer)
        _sweep(board, [data, old.get("data")], clips)
    return Built(
        path=board.path,
        runs=tuple(parts),
        left_out=tuple(left_out),
        tables=pointer["tables"],
        clips=pointer["clips"],
        unchanged=unchanged,
    )


def _has_board(board: BoardFolder) -> bool:
    try:
        board.read_pointer()
    except StepbenchError:
        # Of another schema or broken: built anew, as its message advises.
        return False
    return True


def _write_tables(folder: Path, tables: Mapping[str, Mapping[str, Part]], left_out: Sequence[LeftOut]) -> None:
    cards = _agreed_cards([part for parts in tables.values() for part in parts.values()])
    rows = [
        {
            "run": name,
            "label": labels[name],
            "table_id": table_id,
            "part": part.digest,
            "on_board": True,
            "status": part.status,
            **part.facts,
            **{f"n_{outcome}": count for outcome, count in part.summary["samples"].items()},
        }
        for table_id, parts in tables.items()
        for labels in [row_labels(parts)]
        for name, part in parts.items()
    ]
    rows += [
        {"run": item.run, "label": item.run, "on_board": False, "status": item.status, "reason": item.reason}
        for item in left_out
    ]
    pd.DataFrame(rows, columns=list(RUN_COLUMNS)).to_parquet(folder / "runs.parquet", index=False)
    summaries = [table_summary(table_id, parts, cards) for table_id, parts in tables.items()]
    filled = [summary for summary in summaries if not summary.empty]
    summary = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(SUMMARY_COLUMNS))
    summary.to_parquet(folder / "summary.parquet", index=False)
    _write_json(folder / "tables.json", [table_card(table_id, parts) for table_id, parts in tables.items()])
    _write_json(folder / "cards.json", cards)


def _agreed_cards(parts: Sequence[Part]) -> dict[str, dict[str, Any]]:
    """metric_id -> the card that most runs have, so that one odd run cannot turn a table upside down."""
    votes: dict[str, Counter[str]] = {}
    for part in parts:
        for metric_id, card in part.cards.items():
            votes.setdefault(metric_id, Counter())[canonical_json(card)] += 1
    return {metric_id: json.loads(counted.most_common(1)[0][0]) for metric_id, counted in votes.items()}


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _sweep(board: BoardFolder, data: Sequence[str | None], clips: set[str]) -> None:
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
    board.sweep(data=kept, parts=parts, clips=wanted)
