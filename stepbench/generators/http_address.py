"""Where an HTTP service is, which addresses it may send us on to, and who is told its token."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from stepbench.access.exposure import is_loopback
from stepbench.errors import UsageError

TOKEN_VARIABLE = "STEPBENCH_HTTP_TOKEN"
EXAMPLE = "http:https://video.example.org/generate@2026-11"
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class ServiceAddress:
    """What stands after `http:`.

    Attributes:
        url: Without password and query, so that it can stand in records.
        revision: The model's version as the user names it; empty where that is left to the service.
    """

    url: str
    revision: str

    @property
    def spec(self) -> str:
        """The generator's spec, `http:URL` or `http:URL@REVISION`."""
        return f"http:{self.url}@{self.revision}" if self.revision else f"http:{self.url}"


def parse_address(argument: str) -> ServiceAddress:
    """The address in `URL` or `URL@REVISION`. Only in the last part of its path does an @ begin a revision.

    Raises:
        UsageError: It is no http(s) URL, or holds a password, a query, a fragment or odd characters.
    """
    text = argument.strip()
    parts = _split(text)
    if parts is None:
        # What was given is not shown: it may hold a password.
        raise UsageError("http: needs a URL with http:// or https:// and a host", hint=f"for example {EXAMPLE}")
    if "@" in parts.netloc:
        raise UsageError(
            f"the URL of {parts.hostname} has an @ before its path: a password there would stand in every record",
            hint=f"put a token into {TOKEN_VARIABLE}; @REVISION comes after a path, such as /@2",
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise UsageError(
            f"the URL of {parts.hostname} has a query or a fragment, which would stand in every record",
            hint=f"put a key into {TOKEN_VARIABLE}, and options of the model into --set KEY=VALUE",
        )
    if not re.fullmatch(r"[\x21-\x7e]*", text):
        raise UsageError(f"the URL {text!r} has blanks or other than ASCII characters", hint="write them as %20")
    folder, slash, last = parts.path.rpartition("/")
    last, at, revision = last.partition("@")
    if at and not REVISION.fullmatch(revision):
        raise UsageError(
            f"{revision!r} is no revision: up to 100 letters, digits and any of . _ + - make one",
            hint="write %40 for an @ that belongs to the path",
        )
    return ServiceAddress(url=origin(text) + (f"{folder}{slash}{last}" or "/"), revision=revision)


def read_token(url: str) -> str | None:
    """The token in the environment, if it is one that can be sent to `url`.

    Raises:
        UsageError: It holds what no header can, or others could read it along the way.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise UsageError(
            f"{TOKEN_VARIABLE} must be printable ASCII without blanks", hint="look for a line break at its end"
        )
    if url.startswith("http:") and not is_on_this_machine(url):
        raise UsageError(
            f"{url} is plain http, over which others could read the token in {TOKEN_VARIABLE}",
            hint=f"use https, or unset {TOKEN_VARIABLE}",
        )
    return token


def origin(url: str) -> str:
    """Scheme, host and port of a URL in one spelling: tokens are for one origin."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def is_on_this_machine(url: str) -> bool:
    """Whether the host of a URL is loopback."""
    return is_loopback(urlsplit(url).hostname or "")


def next_address(base: str, target: str) -> str | None:
    """`target` as seen from `base`; None unless it is http(s), without a password, and no step down from https."""
    try:
        url = urljoin(base, target)
    except ValueError:
        return None
    parts = _split(url)
    if parts is None or "@" in parts.netloc or not re.fullmatch(r"[\x21-\x7e]*", url):
        return None
    return None if base.startswith("https:") and parts.scheme != "https" else url.partition("#")[0]


def shown(url: str) -> str:
    """A URL as it may stand in records: queries hold signatures."""
    return url.partition("?")[0]


def _split(url: str) -> SplitResult | None:
    """The parts of an http(s) URL with a host and, if any, a possible port."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.hostname and (parts.port or True)
    except ValueError:
        # A bad port is a ValueError, and so is one with a password in front of it.
        return None
    return parts if usable else None
