"""`stepbench prefs serve STUDY`: the voting pages, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def serve(
    study: Path,
    /,
    *,
    port: int = 8502,
    address: str = "127.0.0.1",
    access: Literal["local", "invite", "oidc"] | None = None,
    secrets: Path = Path(".streamlit/secrets.toml"),
) -> int:
    """Let annotators judge a study's pairs in the browser, until Ctrl-C.

    On this machine a name is enough. An address that others can reach needs invitations (`stepbench prefs invite`) or
    accounts; without them the server does not start.

    Args:
        study: Study folder.
        port: Port to listen on.
        address: To listen on.
        access: local, invite or oidc; behind a proxy say which. By default local on this machine, else what there is.
        secrets: Streamlit's secrets file, with [auth] and [access], for accounts.
    """
    from stepbench.access.exposure import choose_access
    from stepbench.preferences.served import check_servable, serve_study

    check_servable(study)
    chosen = choose_access(address, study, way=access, secrets=secrets)
    serve_study(study, chosen, address=address, port=port)
