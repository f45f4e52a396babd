"""How both servers run: one ASGI application, quiet, without telemetry, behind the gate."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.access.exposure import Access, served_access
from stepbench.access.listening import check_port
from stepbench.errors import StepbenchError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

MEGABYTES = 4
"""Largest message of a browser that votes. Tables of a board may be larger."""


def run(
    script: str,
    routes: Sequence[BaseRoute],
    folder: Path,
    address: str,
    port: int,
    *,
    named: bool,
    greet: Callable[[Access], str],
    uploads: int = MEGABYTES,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        script: Page script in this package.
        routes: Beside those of the pages and of the gate.
        folder: Of the study or board.
        named: Whether even on this machine everybody gives a name.
        greet: What to say on stderr as soon as the server answers.
        uploads: MiB of the largest file that a page takes.

    Raises:
        UsageError: The port was taken since the command looked.
    """
    from starlette.middleware import Middleware
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.starlette import App

    from leaderboard.gate import Gate
    from leaderboard.join import join_routes
    from stepbench.access.invitations import Invitations

    # Else Streamlit finds the folder `pages` and, until somebody has opened the first page, runs any other by itself:
    # without the frame, which looks at accounts, and the pages of a board on the server of a study as well.
    PagesManager.uses_pages_directory = False
    access = served_access()
    invitations = Invitations(folder) if access.way == "invite" or (access.way == "local" and named) else None
    gate = Middleware(Gate, access=access, invitations=invitations)
    joining = join_routes(access, invitations, "study" if named else "board") if invitations else []

    @asynccontextmanager
    async def answering(_app: App) -> AsyncIterator[None]:
        # Whoever knocks from here on is let in: Streamlit listens already, and answers when this has begun.
        sys.stderr.write(f"{greet(access)}\n")
        yield

    script_path = Path(__file__).with_name(script)
    app = App(script_path, routes=[*routes, *joining], middleware=[gate], lifespan=answering)
    # The command has looked as well, but the imports since then took seconds.
    check_port(address, port)
    app.run(config=_config(address, port, access, uploads, messages=MEGABYTES if named else None))


def until_interrupted(serve: Callable[[str, int], None], address: str, port: int) -> None:
    """Call `serve`, whose ordinary end SIGINT and SIGTERM are, even before it listens; say what it refuses."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(address, port)
    except KeyboardInterrupt:
        return
    except StepbenchError as error:
        sys.stderr.write(f"stepbench: {error}\n")
        sys.exit(error.exit_code)


def _config(address: str, port: int, access: Access, uploads: int, messages: int | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": uploads,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "logger.hideWelcomeMessage": True,
        "logger.level": "error",
    }
    if messages is not None:
        config["server.maxMessageSize"] = messages
    if access.secrets is not None:
        config["secrets.files"] = [access.secrets]
    return config
