"""`stepbench weights list`, `stepbench weights pull NAME`, `stepbench weights verify [NAME or FOLDER]`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from reference_model.checkpoint.verify import PartReport

weights_command = App(name="weights", help="List, fetch and check external weights and model folders.")

_SHOWN = 20


@weights_command.command(name="list")
def list_weights(*, json: Json = False) -> int:
    """List external weights: what they are for, where they are, under which licence, and whether they are here."""
    from stepbench.weights.catalogue import catalogue

    entries = catalogue()
    columns = ("name", "purpose", "used_by", "address", "licence")
    rows = [
        {column: getattr(one, column) for column in columns} | {"present": "yes" if one.path.exists() else "no"}
        for one in entries
    ]
    if json:
        hidden = ("revision", "size", "sha256", "note")
        print_records(
            row | {column: getattr(one, column) for column in hidden} | {"path": str(one.path)}
            for row, one in zip(rows, entries, strict=True)
        )
    else:
        print_table(rows, list(rows[0]), whole=["address"])
        for text in dict.fromkeys(one.note for one in entries if one.note):
            note(f"{', '.join(one.name for one in entries if one.note == text)}: {text}")
    return ExitCode.OK


@weights_command.command
def pull(name: str, /) -> int:
    """Fetch external weights into the folder that STEPBENCH_WEIGHTS names, else ~/.cache/stepbench/weights.

    Nothing there is overwritten, and a broken download is continued by the same command. What was fetched, its
    revision and the sha256 of every file are written to NAME.json beside it.

    Args:
        name: As `stepbench weights list` shows it.
    """
    from stepbench.weights.pull import pull as pull_weights

    pulled = pull_weights(name, say=note)
    note(f"{pulled.path}: {'fetched' if pulled.fetched else 'is there already'}")
    return ExitCode.OK


@weights_command.command
def verify(target: str | None = None, /, *, json: Json = False) -> int:
    """Check pulled weights against what was pulled, or a Step-Video model folder against its configs.

    Of pulled weights every file is hashed. Of a model folder only headers are read: every tensor's name and shape
    against the configs, and the tokenizers. Exit code 3 says that something is missing, too much, changed or of another
    shape; 2 that a folder has no configs to compare with; 5 that nothing was pulled.

    Args:
        target: A name that `stepbench weights list` shows, or a model folder in the released layout; all pulled weights
            without it.
    """
    from stepbench.weights.catalogue import catalogue

    known = {one.name: one for one in catalogue()}
    # A model folder in the current folder may bear the name of weights that were never pulled.
    if target is None or (target in known and (known[target].path.exists() or not Path(target).is_dir())):
        return _verify_pulled(target, json=json)
    folder = Path(target)
    if not folder.is_dir():
        raise UsageError(
            f"no model folder at {target!r}, and no external weights of that name",
            hint="give a folder in the released layout, or a name of `stepbench weights list`",
        )
    return _verify_folder(folder, json=json)


def _verify_pulled(name: str | None, *, json: bool) -> int:
    from stepbench.weights.verify import verify_pulled

    rows = [{"name": one, **asdict(report)} for one, reports in verify_pulled(name).items() for report in reports]
    if json:
        print_records(rows)
    else:
        print_table(rows, ["name", "file", "finding", "sha256"], whole=["sha256"])
    bad = [row for row in rows if row["finding"] != "ok"]
    if bad:
        unknown = all(row["finding"] == "not recorded" for row in bad)
        note(f"{len(bad)} of {len(rows)} files {'have no record to compare with' if unknown else 'are not as pulled'}")
    return ExitCode.INCOMPLETE if bad else ExitCode.OK


def _verify_folder(folder: Path, *, json: bool) -> int:
    from reference_model.checkpoint.verify import verify_folder
    from reference_model.errors import ReferenceModelError

    try:
        reports = list(verify_folder(folder))
    except ReferenceModelError as error:
        raise UsageError(error.message, hint=error.hint) from error
    problems = [(report, list(_problems(report))) for report in reports]
    if json:
        print_records(_record(report) for report in reports)
    else:
        print_table(
            [
                {"part": report.part, "tensors": report.tensors or "", "problems": len(found) or ""}
                for report, found in problems
            ],
            ["part", "tensors", "problems"],
        )
        for report, found in problems:
            for line in found[:_SHOWN]:
                print(f"{report.part}: {line}")
            if len(found) > _SHOWN:
                print(f"{report.part}: and {len(found) - _SHOWN} more; --json lists all")
    if not all(report.fits for report in reports):
        note(f"{folder} does not fit its configs")
        return ExitCode.INCOMPLETE
    note(f"{folder} holds what its configs ask for")
    return ExitCode.OK


def _problems(report: PartReport) -> Iterator[str]:
    if report.error:
        yield report.error
    yield from (f"missing tensor {name}" for name in report.missing)
    yield from (f"unexpected tensor {name}" for name in report.extra)
    for name, (wanted, found) in (report.misshapen or {}).items():
        yield f"tensor {name} must have shape {wanted}, got {found}"


def _record(report: PartReport) -> dict[str, object]:
    misshapen = {name: list(map(list, shapes)) for name, shapes in (report.misshapen or {}).items()}
    return {**asdict(report), "misshapen": misshapen, "fits": report.fits}
