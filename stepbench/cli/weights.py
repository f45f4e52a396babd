"""`stepbench weights list` and `stepbench weights verify FOLDER`."""

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

weights_command = App(name="weights", help="List external weights, or check a model folder against its configs.")

_SHOWN = 20


@weights_command.command(name="list")
def list_weights(*, json: Json = False) -> int:
    """List external weights: what they are for, where they are, under which licence."""
    from stepbench.weights import EXTERNAL_WEIGHTS

    rows = [asdict(weights) for weights in EXTERNAL_WEIGHTS]
    if json:
        print_records(rows)
    else:
        print_table(rows, [column for column in rows[0] if column != "note"])
        for text in dict.fromkeys(weights.note for weights in EXTERNAL_WEIGHTS if weights.note):
            note(f"{', '.join(weights.name for weights in EXTERNAL_WEIGHTS if weights.note == text)}: {text}")
    return ExitCode.OK


@weights_command.command
def verify(folder: Path, /, *, json: Json = False) -> int:
    """Check a Step-Video model folder: every tensor's name and shape against the configs, and the tokenizers.

    Only headers are read. Exit code 3 says that something is missing, too much or of another shape, and 2 that the
    folder has no configs to compare with.

    Args:
        folder: A folder in the released layout.
    """
    from reference_model.checkpoint.verify import verify_folder
    from reference_model.errors import ReferenceModelError

    if not folder.is_dir():
        raise UsageError(f"no model folder at {str(folder)!r}", hint="give a folder in the released layout")
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
