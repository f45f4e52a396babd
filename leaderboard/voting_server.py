"""`python -m leaderboard.voting_server ADDRESS PORT`: the voting pages, and the clips beside them.

`stepbench prefs serve` starts this, after it has checked study and address, and names the study in `STEPBENCH_STUDY`.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard.serving import run, until_interrupted
from stepbench.access.exposure import Access
from stepbench.access.invitations import Invitations
from stepbench.access.listening import site
from stepbench.preferences.errors import VoteRefusedError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import FileResponse

    from stepbench.preferences import Study

_ASSIGNMENT = re.compile(r"[0-9a-f]{32}")
_SIDES = {"a.mp4": "left", "b.mp4": "right"}


async def clip(request: Request) -> FileResponse:
    """One clip of an assignment, in ranges where the browser asks for them.

    The address names the assignment, which cannot be guessed, and the side: no file name, and nothing that two
    assignments would share. Neither do the headers tell when the file was made.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse

    assignment_id, side = request.path_params["assignment"], request.path_params["side"]
    if not _ASSIGNMENT.fullmatch(assignment_id) or side not in _SIDES:
        raise HTTPException(404)
    path = await run_in_threadpool(_file, assignment_id, _SIDES[side])
    if path is None:
        raise HTTPException(404)
    headers = {
        "Cache-Control": "private, max-age=3600",
        "ETag": f'"{assignment_id}-{side[0]}"',
        "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
    }
    return FileResponse(path, media_type="video/mp4", headers=headers)


def _file(assignment_id: str, side: str) -> Path | None:
    from leaderboard.voting.screen import clip_file
    from stepbench.preferences.served import STUDY_VARIABLE

    study = _study(os.environ[STUDY_VARIABLE])
    try:
        return clip_file(study, getattr(study.assignment(assignment_id), side))
    except VoteRefusedError:
        return None


@cache
def _study(folder: str) -> Study:
    from stepbench.preferences import Study

    return Study.open(folder)


def main(address: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    from starlette.routing import Route

    from stepbench.preferences.served import STUDY_VARIABLE

    routes = [Route("/clips/{assignment}/{side}", clip)]
    study = Path(os.environ[STUDY_VARIABLE])
    greet = partial(greeting, study, site(address, port))
    run("voting_app.py", routes, study, address, port, named=True, greet=greet)


def greeting(study: Path, address: str, access: Access) -> str:
    """What the organiser reads in the terminal; on a server for this machine alone with an invitation to all pages."""
    said = f"voting on {address} (Ctrl-C ends it)"
    if access.way != "local":
        return said
    token = Invitations(study).invite("organiser", role="admin", days=1)
    return f"{said}\nfor you, with the organiser's page, in one browser, for a day: {address}/join#{token}"


if __name__ == "__main__":
    until_interrupted(main, sys.argv[1], int(sys.argv[2]))
