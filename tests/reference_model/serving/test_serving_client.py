"""The asking side: which URLs it takes, and what it makes of servers that are not there, or not what they should be."""

from __future__ import annotations

import json
import pickle
import socket
import socketserver
import threading

import pytest
import torch
from safetensors.torch import save

from reference_model.serving import RemoteTextEncoder, RemoteVAE, ServingError
from reference_model.serving.client import ServingClient

HEALTH = {"service": "reference_model.serving", "protocol": 1, "parts": ["text"], "limits": {"max_prompts": 4}}


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


@pytest.fixture
def scripted():
    """`scripted(bytes, bytes, ...)` answers requests with these bytes, in this order; also returns the requests."""
    servers = []

    def start(*answers: bytes):
        seen: list[bytes] = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                lines = list(iter(self.rfile.readline, b"\r\n"))
                length = next((int(line.split()[1]) for line in lines if line.lower().startswith(b"content-length")), 0)
                self.rfile.read(length)
                seen.append(b"".join(lines))
                self.wfile.write(answers[len(seen) - 1])

        server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_address[1]}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://",
        "http://user:secret@host",
        "http://host?a=b",
    ],
)
def test_urls_that_are_none_of_a_server(url):
    with pytest.raises(ServingError, match="must be http://HOST:PORT or https://HOST"):
        RemoteVAE(url)


def test_other_bad_arguments():
    with pytest.raises(ServingError, match="no valid port: Port out of range"):
        RemoteTextEncoder("http://localhost:99999")
    with pytest.raises(ServingError, match="a token must have at least 16"):
        RemoteTextEncoder("http://localhost", "short")
    with pytest.raises(ServingError, match="timeout must be above 0 seconds, got 0"):
        RemoteTextEncoder("http://localhost", timeout=0)
    assert ServingClient("https://host/behind/a/proxy/").url == "https://host/behind/a/proxy"


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            ServingError, match=rf"nothing listens at {url}\n  hint: start a server: python -m reference_m"
        ):
            RemoteVAE(url).decode(torch.zeros(1, 1, 2, 1, 1))


def test_somebody_who_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServingError, match=r"/health gave no answer within 0.1 s\n  hint: raise timeout"):
            RemoteVAE(url, timeout=0.1).cfg  # noqa: B018


def test_redirects_are_not_followed(scripted):
    elsewhere, reached = scripted()
    url, seen = scripted(response(b"", "302 Found", f"Location: {elsewhere}/health"))
    with pytest.raises(ServingError, match="answered 302: no reason given"):
        RemoteTextEncoder(url, "correct-horse-battery").encode(["a"])
    assert len(seen) == 1
    assert reached == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (response(b"hello"), "no JSON object"),
        (response(b"[" * 100_000), "no JSON object"),
        (response(b'{"service": "other", "protocol": 1}'), "does not speak version 1 of reference_model.serving"),
        (response(json.dumps({**HEALTH, "protocol": 2}).encode()), "must be of the same version"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "must say its length, up to 2147483648 bytes, got None"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "must say its length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "broke off: IncompleteRead"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "broke off: BadStatusLine"),
        (b"", "broke off: RemoteDisconnected"),
        (response(b"not json", "500 Internal Server Error"), "answered 500: no reason given"),
    ],
)
def test_servers_of_another_kind(scripted, answer, message):
    url, _ = scripted(answer)
    with pytest.raises(ServingError, match=message):
        RemoteTextEncoder(url).encode(["a"])


ROWS = {"llm": torch.ones(2, 1, 1), "mask": torch.ones(2, 1).long()}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (pickle.dumps(ROWS), "answered with something else: (a safetensors header may have|not a valid safetensors)"),
        (save({"llm": torch.ones(1, 1, 1)}), r"must hold the tensors \['llm', 'mask'\], got \['llm'\]"),
        (save({**ROWS, "llm": torch.ones(2, 1)}), "llm must have 3 dimensions"),
        (save(ROWS), "answered 1 prompts with another number of rows"),
    ],
)
def test_servers_that_answer_with_something_else(scripted, body, message):
    url, _ = scripted(response(json.dumps(HEALTH).encode()), response(body))
    with pytest.raises(ServingError, match=message):
        RemoteTextEncoder(url).encode(["a"])


def test_busy_servers_are_asked_again(scripted):
    one = {"llm": torch.ones(1, 1, 1), "mask": torch.ones(1, 1).long()}
    busy = response(b'{"error": "busy"}', "503 Service Unavailable", "Retry-After: 0")
    url, seen = scripted(response(json.dumps(HEALTH).encode()), busy, busy, response(save(one)))
    assert RemoteTextEncoder(url).encode(["a"]).llm.tolist() == [[[1.0]]]
    assert [line.split()[1] for line in seen] == [b"/health", *[b"/encode-text"] * 3]
