"""`python -m leaderboard.server ADDRESS PORT`: the pages, and the clips beside them by URL.

`stepbench leaderboard serve` starts this, after it has checked the address, and names the board in `STEPBENCH_BOARD`.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import FileResponse
    from streamlit.starlette import App

_CLIP = re.compile(r"[0-9a-f]{64}\.mp4")


async def clip(request: Request) -> FileResponse:
    """One preview, in ranges where the browser asks for them, so that seeking in a long clip costs little."""
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse

    from leaderboard.data import board_folder

    name = request.path_params["name"]
    path = board_folder() / "clips" / name[:2] / name
    if not _CLIP.fullmatch(name) or not path.is_file():
        raise HTTPException(404)
    # The name is the hash of the content, so a browser may keep it for ever.
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type="video/mp4", headers=headers)


def make_app() -> App:
    """The pages and the route of the clips as one ASGI application."""
    # Imported here, since it takes seconds in which Ctrl-C must work already.
    import altair  # noqa: F401 - the first visitor shall not wait for it
    import pyarrow.parquet  # noqa: F401 - likewise
    from starlette.routing import Route
    from streamlit.starlette import App

    import leaderboard.charts
    import leaderboard.composite
    import leaderboard.widgets  # noqa: F401 - likewise

    return App(Path(__file__).with_name("app.py"), routes=[Route("/clips/{folder}/{name}", clip)])


def main(address: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; both are the ordinary end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "logger.hideWelcomeMessage": True,
        "logger.level": "error",
        # A text that stands alone in a page is a comment there, nothing to show.
        "runner.magicEnabled": False,
    }
    try:
        make_app().run(config=config)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
