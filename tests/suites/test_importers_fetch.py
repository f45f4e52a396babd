"""Fetching Step-Video-T2V-Eval, against a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stepbench.errors import EnvironmentUnfitError, SuiteError
from stepbench.suites.importers import fetch_step_video_eval

CONTENT = "一只猫\n".encode() * 128
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/eval"
        self.send_response(200 if found else 404)
        self.end_headers()
        if found:
            self.wfile.write(CONTENT)

    def log_message(self, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def address(monkeypatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_file_lands_whole(address, tmp_path):
    target = fetch_step_video_eval(tmp_path / "new" / "eval.txt", url=f"{address}/eval", sha256=SHA256)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["eval.txt"]


def test_a_folder_as_destination_names_the_file(address, tmp_path):
    assert fetch_step_video_eval(tmp_path, url=f"{address}/eval", sha256=SHA256).name == "Step-Video-T2V-Eval.txt"


def test_another_file_is_refused_and_the_old_one_stays(address, tmp_path):
    target = tmp_path / "eval.txt"
    target.write_text("old")
    with pytest.raises(SuiteError, match=f"gave a file with sha256 {SHA256}, not the pinned 0000(.|\n)*--from FILE"):
        fetch_step_video_eval(target, url=f"{address}/eval", sha256="0" * 64)
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_no_connection_points_at_from_file(address, tmp_path):
    with pytest.raises(EnvironmentUnfitError, match=r"Not Found(.|\n)*--from FILE"):
        fetch_step_video_eval(tmp_path, url=f"{address}/gone", sha256=SHA256)
    with pytest.raises(EnvironmentUnfitError, match=r"cannot fetch http://127\.0\.0\.1:1/x(.|\n)*--from FILE"):
        fetch_step_video_eval(tmp_path, url="http://127.0.0.1:1/x", sha256=SHA256)
    assert not list(tmp_path.iterdir())
