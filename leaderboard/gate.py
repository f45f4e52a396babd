"""The gate before every request: who has no business here gets no further, and no page of another site gets in.

Pages look at the visitor's role themselves; the gate sees to it that there is a visitor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from stepbench.access.exposure import Access, is_loopback
from stepbench.access.invitations import Invitations
from stepbench.access.roles import AccessError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

JOIN = "/join"
_OPEN = (JOIN, "/_stcore/health")
_PUBLIC = ("/static/",)
"""Streamlit's own files: the same for everybody everywhere."""
_MACHINERY = ("/_stcore/", "/clips/", "/media/", "/component/", "/vendor/")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_SHIELD = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-resource-policy": "same-origin",
}


class Gate:
    """ASGI middleware.

    Args:
        access: How people get in.
        invitations: Whose cookies open the gate; None where being on this machine is enough.
    """

    def __init__(self, app: ASGIApp, *, access: Access, invitations: Invitations | None) -> None:
        self.app = app
        self.access = access
        self.invitations = invitations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in place of the application, or pass the request on to it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, _shielded(send) if scope["type"] == "http" else send)
        elif scope["type"] == "http":
            await refusal(scope, receive, _shielded(send))
        else:
            # Before the handshake is accepted, this answers it with status 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self.access.way == "local" and not _is_local(headers):
            return PlainTextResponse(
                "This server is for this machine alone. Behind a proxy, start it with --access invite or oidc.\n", 403
            )
        if not _same_site(scope, headers):
            return PlainTextResponse("Not from a page of another site.\n", 403)
        path = scope["path"]
        if self.access.way == "oidc" or self.invitations is None or path in _OPEN or path.startswith(_PUBLIC):
            return None
        cookie = HTTPConnection(scope).cookies.get(self.invitations.cookie)
        try:
            self.invitations.visitor(cookie)
        except AccessError as error:
            if scope["type"] == "http" and scope["method"] == "GET" and not path.startswith(_MACHINERY):
                query = scope["query_string"].decode("ascii", "replace")
                language = query if query in ("lang=en", "lang=ja", "lang=zh") else ""
                return RedirectResponse(f"{JOIN}?{language}" if language else JOIN, 303)
            return PlainTextResponse(f"{error.message[0].upper()}{error.message[1:]}.\n", 403)
        return None


def _is_local(headers: Headers) -> bool:
    """Whether the request was made to this machine by name: neither through a proxy nor through a name of others."""
    host = urlsplit(f"//{headers.get('host', '')}").hostname
    return host is not None and is_loopback(host) and not any(name in headers for name in _FORWARDED)


def _same_site(scope: Scope, headers: Headers) -> bool:
    """Whether a request that may change something comes from a page of this server."""
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        return True
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _shielded(send: Send) -> Send:
    async def shielded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SHIELD.items():
                headers.setdefault(name, value)
        await send(message)

    return shielded
