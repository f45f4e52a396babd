"""`stepbench leaderboard export BOARD -o site/`: the board as pages that need no server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode


def export(
    board: Path = Path("board"),
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("site"),
    lang: str = "en",
    json: Json = False,
) -> int:
    """Write a board as a static site: open index.html from disk, or put the folder on any web server.

    Args:
        board: Board folder.
        out: Folder of the site; made, or replaced in one step if it holds an earlier export.
        lang: Language of the pages: en, ja or zh.
    """
    from stepbench.site import export_site

    exported = export_site(board, out, language=lang)
    if json:
        print_records([asdict(exported) | {"path": str(exported.path)}])
    note(f"site {exported.path}: {exported.pages} pages of at most {exported.largest} bytes, {exported.clips} clips")
    note(f"open {exported.path / 'index.html'} in a browser")
    return ExitCode.OK
