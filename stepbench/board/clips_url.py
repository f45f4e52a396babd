"""Clips from an object store: the address that a board gives in place of its own clips."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from stepbench.errors import UsageError

_SAFE = re.compile(r"[A-Za-z0-9:/._~%?&=+@\[\]{}-]+")


def check_clips_url(address: str) -> str:
    """The address, if browsers can be sent there.

    Raises:
        UsageError: It is no http(s) address, holds a password or odd characters, or not `{name}` exactly once.
    """
    parts = urlsplit(address)
    rest = address.replace("{name}", "", 1)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or "{" in parts.netloc
        or not _SAFE.fullmatch(address)
        or "{name}" not in address
        or "{" in rest
        or "}" in rest
    ):
        raise UsageError(
            f"--clips-url must be an http(s) address with {{name}} once and without a password, got {address!r}",
            hint="for example https://clips.example.org/board/{name}",
        )
    return address


def clip_address(template: str, clip: str) -> str:
    """Where a browser finds a clip.

    Args:
        template: As `check_clips_url` lets through.
        clip: Path in the board folder, such as `clips/9f/9f3c....mp4`; the store holds what lies below `clips/`.
    """
    return template.replace("{name}", clip.removeprefix("clips/"))
