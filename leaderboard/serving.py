"""How both servers run: one ASGI application, quiet, without telemetry, behind the gate."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.access.exposure import Access, served_access

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
    uploads: int = MEGABYTES,
) -> None:
    """Serve until SIGINT or SIGTERM; both are the ordinary end.

    Args:
        script: Page script in this package.
        routes: Beside those of the pages and of the gate.
        folder: Of the study or board.
        named: Whether even on this machine everybody gives a name.
        uploads: MiB of the largest file that a page takes.
    """
    # Imported here, since it takes seconds in which Ctrl-C must work already.
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from leaderboard.gate import Gate
    from leaderboard.join import join_routes
    from stepbench.access.invitations import Invitations

    access = served_access()
    invitations = Invitations(folder) if access.way == "invite" or (access.way == "local" and named) else None
    gate = Middleware(Gate, access=access, invitations=invitations)
    joining = join_routes(access, invitations, "study" if named else "board") if invitations else []
    app = App(Path(__file__).with_name(script), routes=[*routes, *joining], middleware=[gate])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app.run(config=_config(address, port, access, uploads, messages=MEGABYTES if named else None))
    except KeyboardInterrupt:
        return


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
