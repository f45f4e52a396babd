"""`/join`: where an invitation becomes a cookie. The link carries it behind `#`, which browsers send to no server.

Opening the page uses nothing up, so programs that look into links do no harm; pressing its button does.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from leaderboard.gate import JOIN
from leaderboard.translation import Words, language_of
from stepbench.access.exposure import Access
from stepbench.access.invitations import LONGEST_NAME, Invitations
from stepbench.access.roles import AccessError
from stepbench.errors import UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

Kind = Literal["study", "board"]
LARGEST = 8192
"""Bytes of a form."""
LOCAL_DAYS = 30

_SCRIPT = """
function take() {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector("[name=token]").value = token;
  for (const part of document.querySelectorAll("[data-when]"))
    part.hidden = (part.dataset.when === "link") !== (token !== "");
}
take();
// A link that is pasted into a tab which shows this page already loads nothing anew.
addEventListener("hashchange", take);
"""
_STYLE = """
body { font: 1.05rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto 0; padding: 0 1.2rem; }
:root { color-scheme: light dark; }
h1 { font-size: 1.5rem; }
input, button { font: inherit; padding: 0.5rem 0.9rem; border-radius: 0.5rem; border: 1px solid #8888; }
input { width: 100%; box-sizing: border-box; margin: 0.3rem 0 0.8rem; }
button { background: #c8102e; border-color: #c8102e; color: #fff; cursor: pointer; }
.wrong { border-left: 4px solid #c8102e; padding-left: 0.8rem; }
[hidden] { display: none; }
"""


def join_routes(access: Access, invitations: Invitations, kind: Kind) -> list[Route]:
    """The two routes of the page, which opens a study or a board."""

    async def show(request: Request) -> Response:
        return _page(access, kind, request, _words(request))

    async def enter(request: Request) -> Response:
        words = _words(request)
        body = await _body(request)
        if body is None:
            return _page(access, kind, request, words, words("too_large"), 413)
        try:
            form = parse_qs(body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=4)
            token, name = (form.get(field, [""])[0] for field in ("token", "name"))
        except ValueError:
            return _page(access, kind, request, words, words("malformed"), 400)
        try:
            if access.way == "local" and not token:
                token = invitations.invite(name, role="annotator", days=LOCAL_DAYS)
            cookie, seconds = invitations.accept(token, request.cookies.get(invitations.cookie))
        except UsageError:
            return _page(access, kind, request, words, words("bad_name", most=LONGEST_NAME), 400)
        except AccessError as error:
            return _page(access, kind, request, words, words(f"refused_{error.reason}"), 403)
        answer = RedirectResponse(f"/?lang={words.language}" if "lang" in request.query_params else "/", 303)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            invitations.cookie, cookie, max_age=int(seconds), httponly=True, samesite="lax", secure=secure
        )
        return answer

    return [Route(JOIN, show, methods=["GET"]), Route(JOIN, enter, methods=["POST"])]


async def _body(request: Request) -> bytes | None:
    """The body; None as soon as it is too large, whatever its header says."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return None
    return body


def _words(request: Request) -> Words:
    locale = request.headers.get("accept-language", "").partition(",")[0]
    return Words("join", language_of(request.query_params.get("lang"), locale))


def _page(access: Access, kind: Kind, request: Request, words: Words, problem: str = "", status: int = 200) -> Response:
    local = access.way == "local"
    asked = (
        f'<label>{escape(words("name"))}<input name="name" maxlength="{LONGEST_NAME}" autocomplete="off" required '
        f"autofocus></label><p>{escape(words('local'))}</p><button>{escape(words('start'))}</button>"
        if local
        else f"<p>{escape(words('open_link'))}</p>"
    )
    action = f"{JOIN}?lang={words.language}" if "lang" in request.query_params else JOIN
    title = escape(words(f"title_{kind}"))
    page = (
        f'<!doctype html><html lang="{words.language}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        + (f'<p class="wrong" role="alert">{escape(problem)}</p>' if problem else "")
        + f'<form method="post" action="{action}" data-when="link" hidden><input type="hidden" name="token">'
        f"<p>{escape(words(f'invited_{kind}'))}</p><button>{escape(words('start'))}</button></form>"
        f'<form method="post" action="{action}" data-when="none">{asked}</form>'
        f"<noscript><p>{escape(words('script'))}</p></noscript><script>{_SCRIPT}</script></html>"
    )
    policy = (
        f"default-src 'none'; script-src '{_hash(_SCRIPT)}'; style-src '{_hash(_STYLE)}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(page, status, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
