"""`python -m leaderboard.server ADDRESS PORT`: the pages, and the clips beside them by URL.

`stepbench leaderboard serve` starts this, after it has checked the address, and names the board in `STEPBENCH_BOARD`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard.serving import run, until_interrupted
from stepbench.submissions.limits import MOST_MIB

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import FileResponse

_CLIP = re.compile(r"[0-9a-f]{64}\.mp4")


async def clip(request: Request) -> FileResponse:
    """One preview, in ranges where the browser asks for them, so that seeking in a long clip costs little."""
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse

    from leaderboard.data import board_folder

    folder, name = request.path_params["folder"], request.path_params["name"]
    clips = board_folder().resolve() / "clips"
    path = clips / folder / name
    # The name alone decides the place; a link that lies there might still lead out of the board.
    if not _CLIP.fullmatch(name) or folder != name[:2] or path.resolve() != path or not path.is_file():
        raise HTTPException(404)
    # The name is the hash of the content, so a browser may keep it for ever.
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type="video/mp4", headers=headers)


def main(address: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    from starlette.routing import Route

    from leaderboard.warm_up import warm_up
    from stepbench.access.listening import site
    from stepbench.board.read import BOARD_VARIABLE

    warm_up()
    routes = [Route("/clips/{folder}/{name}", clip)]
    said = f"leaderboard on {site(address, port)} (Ctrl-C ends it)"
    board = Path(os.environ[BOARD_VARIABLE])
    run("app.py", routes, board, address, port, named=False, greet=lambda _: said, uploads=MOST_MIB)


if __name__ == "__main__":
    until_interrupted(main, sys.argv[1], int(sys.argv[2]))
