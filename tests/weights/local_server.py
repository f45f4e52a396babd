"""Publishers of weights on this machine's loopback: a file server that can misbehave, and the hub's interface."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Publisher:
    """What is offered, and how.

    Attributes:
        files: Path -> content.
        break_at: Close the connection after so many bytes of a response's content; the next request is served whole.
        hidden: Paths that are listed and cannot be had.
        ranges: Whether parts of files can be asked for.
        tagged: Whether responses carry an ETag.
        sized: Whether responses carry their length.
        content_type: Of every file.
        requests: (method, path, value of the Range header) of every request so far.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    break_at: int | None = None
    hidden: set[str] = field(default_factory=set)
    ranges: bool = True
    tagged: bool = True
    sized: bool = True
    content_type: str = "application/octet-stream"
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(publisher: Publisher) -> Iterator[Publisher]:
    """Serve on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, with_content: bool) -> None:
            path = self.path.partition("?")[0]
            publisher.requests.append((self.command, path, self.headers.get("Range", "")))
            if path.startswith("/api/models/"):
                self._hub_api(path)
            elif path not in publisher.files or path in publisher.hidden:
                self.send_error(404)
            else:
                self._file(publisher.files[path], with_content=with_content, hub="/resolve/" in path)

        def _hub_api(self, path: str) -> None:
            repository = "/".join(path.removeprefix("/api/models/").split("/")[:2])
            prefix = f"/{repository}/resolve/{COMMIT}/"
            offered = {name.removeprefix(prefix): data for name, data in publisher.files.items() if prefix in name}
            if not offered:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
                return
            listed = [
                {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in offered.items()
            ]
            if "/tree/" in path:
                answer: object = [
                    {"type": "file", "path": one["name"], "size": one["size"], "oid": "0" * 40} for one in listed
                ]
            else:
                siblings = [
                    {
                        "rfilename": one["name"],
                        "size": one["size"],
                        "lfs": {"sha256": one["sha256"], "size": one["size"], "pointerSize": 1},
                    }
                    for one in listed
                ]
                answer = {"id": repository, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def _file(self, data: bytes, *, with_content: bool, hub: bool) -> None:
            tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            headers = {"Content-Type": publisher.content_type}
            if publisher.tagged:
                headers["ETag"] = tag
            if hub:
                headers["X-Repo-Commit"] = COMMIT
            asked = self.headers.get("Range", "")
            still = self.headers.get("If-Range", tag) == tag
            status = 200
            if publisher.ranges and asked and still:
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                if start >= len(data):
                    self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                    return
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                data, status = data[start:], 206
            self._send(status, data, headers, with_content=with_content)

        def _send(self, status: int, data: bytes, headers: dict[str, str], *, with_content: bool = True) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if publisher.sized:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if with_content:
                broken, publisher.break_at = publisher.break_at, None
                self.wfile.write(data[:broken])
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    publisher.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
