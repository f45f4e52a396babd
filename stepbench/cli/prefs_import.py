"""`stepbench prefs import STUDY FILE --from csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.cli.prefs_export import Format
from stepbench.errors import ExitCode


def import_(
    study: str,
    file: Path,
    /,
    *,
    from_: Annotated[Format, Parameter(name="--from")],
    protocol: str | None = None,
    json: Json = False,
) -> int:
    """Bring in votes that were exported, or given in another tool.

    Votes that the study has already, by vote_id, are not stored again. labelstudio and argilla files belong to the
    study that they were exported from.

    Args:
        study: A study, which gets the votes; a new folder, which becomes one; or FILE.parquet or FILE.csv, which is
            written as a plain table of votes.
        file: What to read; of dpo and trl also the export's folder.
        from_: Its format.
        protocol: Of a new study, by name or as a TOML file; the first built-in one that asks what was answered.
    """
    from stepbench.preferences.import_votes import import_votes

    done = import_votes(study, file, from_, protocol=protocol)
    if json:
        print_records([{"study": study, "judgements": done.judgements, "new": done.new, "simulated": done.simulated}])
    note(f"{study}: {done.judgements} judgements in {file}, {done.new} of them new")
    if done.simulated:
        note(f"SIMULATED: {done.simulated} of them are by programs")
    return ExitCode.OK
