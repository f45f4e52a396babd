"""Services for tests of `http:URL`: a real server in a thread, which answers as a list says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server sends. Without `length` the body's own; None leaves the header out.

    Attributes:
        pause: Seconds before each part of the body.
        reset: Close the connection without an answer.
    """

    status: int = 200
    body: bytes | tuple[bytes, ...] = b""
    kind: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | str | None = "own"
    pause: float = 0.0
    reset: bool = False


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(document).encode(), "application/json", headers)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    document: Any


class Service:
    """A server on a free port of this machine.

    Attributes:
        replies: `METHOD /path` -> replies in order, the last one again and again; or a function of `Asked`.
        asked: All requests so far.
    """

    def __init__(self, **card: Any) -> None:
        self.replies: dict[str, list[Reply] | Callable[[Asked], Reply]] = {}
        if card:
            self.replies["GET /model"] = [json_reply(card)]
        self.asked: list[Asked] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, json.loads(body) if body else None)
                reply = service.reply(asked)
                if reply.reset:
                    self.close_connection = True
                    return
                parts = reply.body if isinstance(reply.body, tuple) else (reply.body,)
                self.send_response(reply.status)
                length = sum(map(len, parts)) if reply.length == "own" else reply.length
                fixed = {"Content-Type": reply.kind, "Content-Length": None if length is None else str(length)}
                for name, value in (fixed | dict(reply.headers)).items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                try:
                    for part in parts:
                        time.sleep(reply.pause)
                        self.wfile.write(part)
                        self.wfile.flush()
                except OSError:
                    # The client has had enough, as some tests want it.
                    self.close_connection = True

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._lock = threading.Lock()

    def reply(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            replies = self.replies.get(f"{asked.method} {asked.path}", [Reply(404, b"not here")])
            if callable(replies):
                return replies(asked)
            return replies.pop(0) if len(replies) > 1 else replies[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
