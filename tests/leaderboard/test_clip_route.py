"""Clips by URL: ranges as browsers ask for them, and nothing but clips of this board."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from leaderboard.server import clip
from stepbench.board.read import BOARD_VARIABLE

CONTENT = bytes(range(256)) * 40
NAME = f"{hashlib.sha256(CONTENT).hexdigest()}.mp4"
ADDRESS = f"/clips/{NAME[:2]}/{NAME}"

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board folder with one clip."""
    folder = tmp_path / "board"
    (folder / "clips" / NAME[:2]).mkdir(parents=True)
    (folder / "clips" / NAME[:2] / NAME).write_bytes(CONTENT)
    (folder / "board.json").write_text("{}")
    monkeypatch.setenv(BOARD_VARIABLE, str(folder))
    return folder


@pytest.fixture
def get(board: Path) -> Callable[..., Answer]:
    """`get(path, method="GET", **headers)` calls the application itself: no client puts odd addresses right."""
    app = Starlette(routes=[Route("/clips/{folder}/{name}", clip)])

    async def call(path: str, method: str, headers: dict[str, str]) -> Answer:
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }

        async def receive() -> dict[str, Any]:
            # The client waits for its answer; it is cancelled once that is sent.
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await app(scope, receive, send)
        fields = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        return sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:])

    return lambda path=ADDRESS, method="GET", **headers: asyncio.run(call(path, method, headers))


def test_a_whole_clip_says_what_it_is_and_may_be_kept(get: Callable[..., Answer]):
    status, headers, body = get()
    assert (status, body) == (200, CONTENT)
    assert headers["content-type"] == "video/mp4"
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert "immutable" in headers["cache-control"]
    assert headers["etag"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=9000-99999", 9000, None)],
)
def test_ranges_are_cut_out(get: Callable[..., Answer], asked: str, start: int, end: int | None):
    status, headers, body = get(Range=asked)
    assert (status, body) == (206, CONTENT[start:end])
    first = start if start >= 0 else len(CONTENT) + start
    assert headers["content-range"] == f"bytes {first}-{first + len(body) - 1}/{len(CONTENT)}"
    assert headers["content-length"] == str(len(body))


def test_several_ranges_come_as_parts(get: Callable[..., Answer]):
    status, headers, body = get(Range="bytes=0-9,100-109")
    assert status == 206
    assert headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert CONTENT[:10] in body
    assert CONTENT[100:110] in body
    assert len(body) < 1000


@pytest.mark.parametrize("asked", ["bytes=20000-", "bytes=99999-100000"])
def test_ranges_beyond_the_end_are_refused(get: Callable[..., Answer], asked: str):
    status, headers, _ = get(Range=asked)
    assert status == 416
    assert headers["content-range"] == f"bytes */{len(CONTENT)}" or headers["content-range"] == f"*/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=9-5", "apples=1-2", "bytes=x-y", "bytes=" + "0-1," * 3000 + "0-1"])
def test_broken_ranges_never_crash(get: Callable[..., Answer], asked: str):
    status, _, body = get(Range=asked)
    assert status in (200, 206, 400, 416)
    assert len(body) < 2 * len(CONTENT)


def test_head_gives_the_facts_without_the_clip(get: Callable[..., Answer]):
    status, headers, body = get(method="HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert get(method="POST")[0] == 405


def test_a_range_of_an_older_clip_is_the_whole_clip(get: Callable[..., Answer]):
    etag = get()[1]["etag"]
    assert get(Range="bytes=0-9", **{"If-Range": etag})[0] == 206
    assert get(Range="bytes=0-9", **{"If-Range": '"other"'})[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/clips/../board.json",
        f"/clips/..%2f{NAME[:2]}/{NAME}",
        f"/clips/zz/{NAME}",
        f"/clips/../{NAME}",
        f"/clips/{NAME[:2]}/../../board.json",
        f"/clips/{NAME[:2]}/{NAME[:-4]}.txt",
        f"/clips/{NAME[:2]}/{NAME}%00",
        f"/clips/{NAME[:2]}/{NAME}\n",
        f"/clips/{NAME[:2].upper()}/{NAME.upper()}",
        "/clips/00/" + "0" * 64 + ".mp4",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(get: Callable[..., Answer], path: str):
    status, _, body = get(path)
    assert status == 404
    assert b"{}" not in body


def test_links_out_of_the_board_are_not_followed(get: Callable[..., Answer], board: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    name = "a" * 64 + ".mp4"
    (board / "clips" / "aa").mkdir(exist_ok=True)
    (board / "clips" / "aa" / name).symlink_to(secret)
    assert get(f"/clips/aa/{name}")[0] == 404
    (board / "clips" / "bb").symlink_to(tmp_path)
    (tmp_path / ("b" * 64 + ".mp4")).write_text("secret")
    assert get(f"/clips/bb/{'b' * 64}.mp4")[0] == 404
