"""`stepbench export runs/RUN --layout vbench -o clips/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode


def export_command(
    run: Path,
    /,
    *,
    layout: str = "vbench",
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    masters: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Write a run's clips in a peer's layout. Exit code 3 when some clip cannot be written under its name.

    Args:
        run: Run folder.
        layout: vbench ({prompt}-{i}.mp4 and a full_info JSON) or manifest (clips, manifest.jsonl, prompts).
        out: Folder to write into, new or empty.
        masters: For vbench: write lossless masters, which VBench cannot read, instead of H.264 previews.
    """
    from stepbench.layouts import export_run
    from stepbench.runs.run import open_run

    # A cached property serves as the property that the protocol asks for; the checker does not see that.
    report = export_run(open_run(run), layout, out, masters=masters)  # pyright: ignore[reportArgumentType]
    if json:
        print_records([report.to_json()])
    else:
        note(report.text())
    return ExitCode.OK if report.complete else ExitCode.INCOMPLETE
