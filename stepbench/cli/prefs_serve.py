"""`stepbench prefs serve STUDY`: the voting pages, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from stepbench.cli.output import note


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
    from stepbench.access.invitations import Invitations
    from stepbench.access.listening import check_port, site
    from stepbench.preferences.served import check_servable, serve_study

    check_servable(study)
    chosen = choose_access(address, study, way=access, secrets=secrets)
    check_port(address, port)
    note(f"voting on {site(address, port)} (Ctrl-C ends it)")
    if chosen.way == "local":
        token = Invitations(study).invite("organiser", role="admin", days=1)
        note(f"for you, with the organiser's page, in one browser, for a day: {site(address, port)}/join#{token}")
    serve_study(study, chosen, address=address, port=port)
