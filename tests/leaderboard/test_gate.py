"""The gate, the page of invitations and the clips, without a browser: what attackers send, and what they get."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from voting_study import NASTY, SECRET, make_voting_study

from leaderboard.gate import Gate
from leaderboard.join import LARGEST, join_routes
from leaderboard.voting_server import clip
from stepbench.access.exposure import Access
from stepbench.access.invitations import Invitations
from stepbench.preferences import Study
from stepbench.preferences.served import STUDY_VARIABLE

SITE = "http://127.0.0.1:8502"
STREAM = "ws://127.0.0.1:8502/_stcore/stream"


async def _page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("the page")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("the socket")
    await socket.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with make_voting_study(tmp_path_factory.mktemp("study"), real=2, gold=0, practice=0) as made:
        yield made


@pytest.fixture
def invitations(tmp_path: Path) -> Invitations:
    return Invitations(tmp_path)


def client(access: str, invitations: Invitations | None, site: str = SITE) -> TestClient:
    """A browser, as far as cookies and redirects go."""
    told = Access(way=access)  # pyright: ignore[reportArgumentType]
    routes = [
        *(join_routes(told, invitations, "study") if invitations else []),
        Route("/clips/{assignment}/{side}", clip),
        WebSocketRoute("/_stcore/stream", _socket),
        Route("/{path:path}", _page, methods=["GET", "POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Gate, access=told, invitations=invitations)])
    return TestClient(app, base_url=site, follow_redirects=False)


def enter(browser: TestClient, **form: str) -> Any:
    return browser.post("/join", data=form)


@pytest.mark.parametrize("path", ["/", "/admin", "/?lang=ja", "/clips/x/y", "/_stcore/stream", "/media/x"])
def test_without_a_cookie_there_is_the_way_to_the_invitation_and_nothing_else(invitations: Invitations, path: str):
    browser = client("invite", invitations)
    answer = browser.get(path)
    page = urlsplit(path).path in ("/", "/admin")
    assert answer.status_code == (303 if page else 403)
    assert answer.headers.get("location") == (("/join?lang=ja" if "ja" in path else "/join") if page else None)
    assert "the page" not in answer.text
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect(STREAM):
        pytest.fail("the socket opened")
    assert browser.get("/_stcore/health").text == "the page"


def test_an_invitation_opens_the_gate_for_one_browser(invitations: Invitations):
    token = invitations.invite(NASTY)
    browser = client("invite", invitations)
    assert browser.get("/join").status_code == 200, "looking uses nothing up"
    answer = enter(browser, token=token)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert token not in answer.headers["location"]
    assert browser.get("/").text == "the page"
    with browser.websocket_connect(STREAM) as socket:
        assert socket.receive_text() == "the socket"
    assert enter(browser, token=token).status_code == 303, "the same browser may come again"

    thief = client("invite", invitations)
    answer = enter(thief, token=token)
    assert answer.status_code == 403
    assert "used in another browser" in answer.text
    assert thief.get("/").status_code == 303
    assert invitations.all()[0].refused == 1
    invitations.withdraw(invitations.all()[0].id)
    assert browser.get("/").status_code == 303
    assert "was withdrawn" in enter(browser, token=token).text


@pytest.mark.parametrize("token", ["", "x", "sb1.e30.AAAA", "<script>alert(1)</script>", "A" * 5000, "\x00"])
def test_forged_invitations_are_refused_and_not_repeated(invitations: Invitations, token: str):
    browser = client("invite", invitations)
    answer = enter(browser, token=token, name="ann")
    assert answer.status_code == 403
    assert "This invitation is not good here" in answer.text
    assert "alert(1)" not in answer.text
    assert "set-cookie" not in answer.headers
    assert invitations.all() == []


def test_an_invitation_that_has_ended_is_refused(invitations: Invitations):
    answer = enter(client("invite", invitations), token=invitations.invite("ann", days=1e-9))
    assert (answer.status_code, "This invitation has ended" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"token=" + b"A" * LARGEST, 413, "far more than"),
        (b"\xff\xfe", 400, "not a form"),
        (b"", 403, "not good here"),
        (b"{}", 400, "not a form"),
        (b"&".join(b"a=1" for _ in range(50)), 400, "not a form"),
        (b"token=%FF", 400, "not a form"),
    ],
)
def test_oversized_and_malformed_forms_are_refused(invitations: Invitations, body: bytes, status: int, said: str):
    browser = client("invite", invitations)
    answer = browser.post("/join", content=body)
    assert (answer.status_code, said in answer.text) == (status, True)
    chunks = iter([body[:10], body[10:]])
    assert browser.post("/join", content=chunks).status_code == status, "without a length in the header"
    assert browser.put("/join", content=body).status_code == 405


def test_other_sites_cannot_act_in_an_annotators_name(invitations: Invitations):
    token = invitations.invite("ann")
    browser = client("invite", invitations)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        assert browser.post("/join", data={"token": token}, headers={"origin": origin}).status_code == 403
        with pytest.raises(WebSocketDisconnect):
            browser.websocket_connect(STREAM, headers={"origin": origin}).__enter__()
    assert browser.post("/join", data={"token": token}, headers={"origin": SITE}).status_code == 303


def test_on_this_machine_a_name_opens_the_gate_and_shows_as_text(invitations: Invitations):
    browser = client("local", invitations)
    assert enter(browser, name=NASTY).status_code == 303
    cookie = browser.cookies[invitations.cookie]
    assert invitations.visitor(cookie).name == NASTY
    assert invitations.visitor(cookie).role == "annotator"
    for name in ("", "x" * 201, "a\u202eb"):
        answer = enter(client("local", invitations), name=name)
        assert (answer.status_code, "visible characters" in answer.text or "not a form" in answer.text) == (400, True)
    admin = client("local", invitations)
    enter(admin, token=invitations.invite("me", role="admin"))
    assert invitations.visitor(admin.cookies[invitations.cookie]).role == "admin"


@pytest.mark.parametrize("site", ["http://evil.example", "http://192.168.1.7:8502", "http://127.0.0.1.evil.example"])
def test_a_local_server_answers_to_no_other_name(invitations: Invitations, site: str):
    answer = client("local", invitations, site).get("/join")
    assert (answer.status_code, "for this machine alone" in answer.text) == (403, True)


def test_a_local_server_refuses_to_stand_behind_a_proxy(invitations: Invitations):
    answer = client("local", invitations).get("/join", headers={"x-forwarded-for": "203.0.113.9"})
    assert (answer.status_code, "--access invite" in answer.text) == (403, True)


def test_a_board_on_this_machine_needs_no_name():
    assert client("local", None).get("/").text == "the page"


def test_behind_https_the_cookie_is_for_https_alone(invitations: Invitations):
    browser = client("invite", invitations, "https://votes.example.org")
    answer = enter(browser, token=invitations.invite("ann"))
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("language", [("ja", "開始"), ("zh", "开始"), ("en", "Start")])
def test_the_page_speaks_the_browsers_language_and_shields_itself(invitations: Invitations, language: tuple[str, str]):
    code, word = language
    answer = client("invite", invitations).get("/join", headers={"accept-language": f"{code}-XX,en;q=0.5"})
    assert word in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert word in client("invite", invitations).get(f"/join?lang={code}").text


def test_a_boards_page_speaks_of_a_board(invitations: Invitations):
    access = Access(way="invite")
    browser = TestClient(Starlette(routes=join_routes(access, invitations, "board")))
    assert "invited to look at a leaderboard" in browser.get("/join").text


def test_clips_come_by_assignment_and_in_ranges(study: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(STUDY_VARIABLE, str(study.folder))
    browser = client("local", None)
    assignment = study.next_pair("ann")
    address = f"/clips/{assignment.assignment_id}/a.mp4"
    whole = browser.get(address)
    assert whole.content == (study.folder / assignment.left).read_bytes()
    part = browser.get(address, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-type"] == "video/mp4"
    served = str(whole.headers).encode() + whole.content
    assert SECRET.encode() not in served
    assert Path(assignment.left).stem not in str(whole.headers)
    assert whole.headers["last-modified"].endswith("1970 00:00:00 GMT")
    right = browser.get(address.replace("a.mp4", "b.mp4"))
    assert right.content == (study.folder / assignment.right).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/clips/%2e%2e/study.sqlite",
        "/clips/..%2f..%2fstudy.sqlite/a.mp4",
        "/clips/{id}/..%2fa.mp4",
        "/clips/{id}/c.mp4",
        "/clips/{id}/a.mp4%00",
        "/clips/{id}%0a/a.mp4",
        "/clips/" + "0" * 32 + "/a.mp4",
        "/clips/{id}/a.mp4/",
        "/clips/' OR 1=1 --/a.mp4",
    ],
)
def test_no_other_address_leads_to_a_file(study: Study, monkeypatch: pytest.MonkeyPatch, path: str):
    monkeypatch.setenv(STUDY_VARIABLE, str(study.folder))
    assignment = study.next_pair("ann")
    answer = client("local", None).get(path.replace("{id}", assignment.assignment_id))
    assert answer.status_code == 404 or answer.text == "the page"
    assert b"ftyp" not in answer.content
    assert b"SQLite" not in answer.content
