"""The URL of a server, checked without torch, so that a wrong one is refused before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from reference_model.serving.errors import ServingError


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where a server is.

    Attributes:
        url: In one spelling, without a slash at the end.
        host: Name or address.
        port: None for the scheme's own.
        path: What comes before the server's own paths, where a proxy asks for it.
        encrypted: Whether the scheme is https.
    """

    url: str
    host: str
    port: int | None
    path: str
    encrypted: bool


def parse_url(url: str) -> ServerAddress:
    """The address in `http://HOST:PORT` or `https://HOST`.

    Raises:
        ServingError: For anything else. A URL with a password in it is refused: it would end up in records.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ServingError(f"the URL {url!r} has no valid port: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ServingError(
            f"a server's URL must be http://HOST:PORT or https://HOST, got {url!r}",
            hint="a token is an argument of its own",
        )
    return ServerAddress(
        url=url.rstrip("/"),
        host=parts.hostname,
        port=port,
        path=parts.path.rstrip("/"),
        encrypted=parts.scheme == "https",
    )
