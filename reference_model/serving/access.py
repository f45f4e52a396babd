"""Who may talk to a server: everyone on this machine, or whoever knows the token."""

from __future__ import annotations

import hmac
import ipaddress
import re

from reference_model.serving.errors import ServingError

TOKEN_VARIABLE = "STEPBENCH_SERVING_TOKEN"
MIN_TOKEN_CHARACTERS = 16
MAKE_TOKEN = 'python -c "import secrets; print(secrets.token_urlsafe())"'


def is_loopback(host: str) -> bool:
    """Whether a host, as an address or as `localhost`, cannot be reached from other machines."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_token(token: str) -> str:
    """The token itself, if it can be sent in a header and is long enough not to be guessed.

    Raises:
        ServingError: Otherwise.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", token) or len(token) < MIN_TOKEN_CHARACTERS:
        raise ServingError(
            f"a token must have at least {MIN_TOKEN_CHARACTERS} printable ASCII characters without blanks, "
            f"got one of {len(token)} characters",
            hint=f"make one with {MAKE_TOKEN}",
        )
    return token


def check_binding(host: str, token: str | None) -> None:
    """Refuses to listen beyond this machine without a token.

    Raises:
        ServingError: For that, and for a token that is no good.
    """
    if token is not None:
        check_token(token)
    elif not is_loopback(host):
        raise ServingError(
            f"listening on {host!r} lets other machines in, and that needs a token",
            hint=f"set {TOKEN_VARIABLE} to the output of {MAKE_TOKEN}, or listen on 127.0.0.1",
        )


def is_authorised(header: str | None, token: str) -> bool:
    """Whether an `Authorization` header carries the token; takes equally long for every wrong token of its length."""
    return hmac.compare_digest((header or "").encode("utf-8", "replace"), f"Bearer {token}".encode())


def names_this_machine(host_header: str | None) -> bool:
    """Whether a `Host` header names this machine.

    A web page can make its own name point to 127.0.0.1 and so have a browser talk to servers here (DNS rebinding); the
    `Host` header then still has the name of that page.
    """
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::\d+)?|([^:\[\]]+)(?::\d+)?", host_header or "")
    return match is not None and is_loopback(match[1] or match[2])
