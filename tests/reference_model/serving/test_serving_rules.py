"""What a server refuses, in which words, and that it is there afterwards."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Sequence

import pytest
import torch
from safetensors.torch import load, save

from reference_model.errors import ReferenceModelError
from reference_model.serving import Limits, ModelServer, ModelService, RemoteTextEncoder, RemoteVAE, ServingError
from reference_model.serving.access import check_binding, names_this_machine
from reference_model.text.conditioning import TextConditioning

TOKEN = "correct-horse-battery"
JSON = {"Content-Type": "application/json"}
TENSORS = {"Content-Type": "application/octet-stream"}


def prompts(*texts: str) -> bytes:
    return json.dumps({"prompts": texts}).encode()


def head(length: int) -> bytes:
    lines = ["POST /encode-text HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


class Lengths:
    """A text encoder whose states are the lengths of the prompts; special prompts make it fail or wait."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def encode(self, prompts: Sequence[str]) -> TextConditioning:
        if "wait" in prompts:
            self.entered.set()
            assert self.released.wait(60)
        if "fail" in prompts:
            raise RuntimeError("out of\nluck")
        if "refuse" in prompts:
            raise ReferenceModelError("not that one", hint="another")
        width = 2**22 if "large" in prompts else 2
        states = torch.tensor([float(len(text)) for text in prompts])[:, None, None].expand(-1, 1, width)
        return TextConditioning(llm=states, clip=None, mask=torch.ones(len(prompts), 1).long())


def test_without_a_token_only_this_machine_is_let_in():
    for host in ("127.0.0.1", "127.3.2.1", "localhost", "::1"):
        check_binding(host, None)
    for host in ("0.0.0.0", "", "::", "192.168.0.7", "example.org", "127.0.0.1.example.org"):
        with pytest.raises(
            ServingError, match=r"lets other machines in, and that needs a token\n  hint: set STEPBENCH_"
        ):
            check_binding(host, None)
        check_binding(host, TOKEN)
    with pytest.raises(ServingError, match=r"'0\.0\.0\.0' lets other machines in"):
        ModelServer("0.0.0.0")
    for token in ("", "short", "has a blank in the middle", "line\nbreak-in-the-middle", "ümlaut-is-no-header"):
        with pytest.raises(ServingError, match="at least 16 printable ASCII characters without blanks, got one of"):
            ModelServer(token=token)


def test_a_token_is_asked_for_everywhere(serve, ask):
    server = serve(text_encoder=Lengths(), token=TOKEN)
    for header in (
        {},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer \xff"},
    ):
        for method, path in (("GET", "/health"), ("POST", "/encode-text"), ("GET", "/nothing")):
            answer = ask(server.url, method, path, prompts("a"), {**JSON, **header})
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert answer.error == "this server needs its token"
    assert ask(server.url, "GET", "/health", headers={"Authorization": f"Bearer {TOKEN}"}).status == 200
    assert RemoteTextEncoder(server.url, TOKEN).encode(["abc"]).llm.tolist() == [[[3.0, 3.0]]]
    for token in (None, TOKEN + "x"):
        with pytest.raises(ServingError, match=r"answered 401: this server needs its token(.|\n)*Bearer TOKEN"):
            RemoteTextEncoder(server.url, token).encode(["abc"])


def test_names_of_other_machines_are_refused_without_a_token(serve, ask):
    names = ("evil.example", "127.0.0.1.evil.example", "192.168.0.7:80", "[::2]:80", "localhost:80:80", "@127.0.0.1")
    assert not any(map(names_this_machine, (None, "", *names)))
    assert all(map(names_this_machine, ("127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:80", "[::1]")))
    open_server, closed_server = serve(text_encoder=Lengths()), serve(text_encoder=Lengths(), token=TOKEN)
    answer = ask(open_server.url, "GET", "/health", headers={"Host": "evil.example"})
    assert answer.status == 403
    assert "answers only to names of its own machine" in answer.error
    named = {"Host": "evil.example", "Authorization": f"Bearer {TOKEN}"}
    assert ask(closed_server.url, "GET", "/health", headers=named).status == 200


def test_health_says_what_is_served(serve, small_vae, ask):
    answer = ask(serve(vae=small_vae()).url, "GET", "/health")
    said = json.loads(answer.body)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert (said["service"], said["protocol"], said["parts"]) == ("reference_model.serving", 1, ["vae"])
    assert said["versions"]["torch"] == torch.__version__
    assert said["limits"]["max_prompts"] == 64
    assert said["vae"]["z_channels"] == 2


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "message"),
    [
        ("GET", "/", {}, 404, "there is nothing at '/'"),
        ("POST", "/../etc/passwd", JSON, 404, "there is nothing at '/../etc/passwd'"),
        ("GET", "/health?x=1", {}, 404, "there is nothing at '/health[?]x=1'"),
        ("POST", "/health", JSON, 405, "/health takes GET"),
        ("GET", "/decode", {}, 405, "/decode takes POST"),
        ("DELETE", "/decode", {}, 405, "Unsupported method"),
        ("POST", "/encode-text", {}, 415, "/encode-text takes a body of type application/json"),
        ("POST", "/encode-text", TENSORS, 415, "application/json"),
        ("POST", "/decode", JSON, 415, "application/octet-stream"),
        ("POST", "/decode", {**TENSORS, "Content-Length": ""}, 411, "needs a Content-Length"),
        ("POST", "/decode", {**TENSORS, "Transfer-Encoding": "chunked"}, 411, "no Transfer-Encoding"),
        ("POST", "/decode", {**TENSORS, "Content-Length": "-1"}, 400, "one whole number"),
        ("POST", "/decode", {**TENSORS, "Content-Length": "1_0"}, 400, "one whole number"),
        ("POST", "/decode", {**TENSORS, "Content-Length": "9" * 30}, 400, "one whole number"),
        ("POST", "/decode", {**TENSORS, "Content-Length": "3", "content-length": "4"}, 400, "one whole number"),
        ("POST", "/decode", {**TENSORS, "Content-Length": "1001"}, 413, "may have 1000 bytes, got 1001"),
        ("POST", "/encode-text", {**JSON, "Content-Length": "9" * 18}, 413, "may have 1000 bytes"),
        ("POST", "/decode", TENSORS, 404, "does not serve 'vae'"),
    ],
)
def test_requests_that_no_model_sees(serve, ask, method, path, headers, status, message):
    server = serve(text_encoder=Lengths(), limits=Limits(max_body_bytes=1000, timeout_seconds=5.0))
    answer = ask(server.url, method, path, b"", headers)
    assert answer.status == status
    assert re.search(message, answer.error)
    if status == 405:
        assert answer.headers["Allow"]
    assert ask(server.url, "POST", "/encode-text", prompts("ab"), JSON).status == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not a valid JSON body"),
        (b"\xff\xfe{", "not a valid JSON body"),
        (b"[" * 50_000, "not a valid JSON body"),
        (b'{"prompts": ' + b"9" * 5000 + b"}", "not a valid JSON body"),
        (b"null", 'must be {"prompts": [text, ...]} and nothing else'),
        (b'{"prompts": "a"}', "and nothing else"),
        (b'{"prompts": [1]}', "and nothing else"),
        (b'{"prompts": ["a"], "more": 1}', "and nothing else"),
        (prompts(), "must have 1 to 3 prompts, got 0"),
        (prompts(*"abcd"), "must have 1 to 3 prompts, got 4"),
        (prompts("a" * 5001), "may have 5000 characters, got 5001"),
        (b'{"prompts": ["\\ud800"]}', "half of a surrogate pair"),
        (prompts("refuse"), "not that one"),
    ],
)
def test_bad_prompts(serve, ask, body, message):
    server = serve(text_encoder=Lengths(), limits=Limits(max_prompts=3, max_prompt_characters=5000))
    answer = ask(server.url, "POST", "/encode-text", body, JSON)
    assert answer.status == 400
    assert message in answer.error


@pytest.mark.parametrize(
    ("path", "tensors", "status", "message"),
    [
        ("/decode", {"clips": torch.ones(1, 1, 2, 1, 1)}, 400, "must hold the tensors ['latents'], got ['clips']"),
        ("/decode", {"latents": torch.ones(1, 1, 2, 1, 1), "x": torch.ones(1)}, 400, "got ['latents', 'x']"),
        ("/decode", {"x" * 70_000: torch.ones(1)}, 400, "header may have 65536 bytes, this one claims 700"),
        ("/decode", {"latents": torch.ones(1, 1, 2, 1, 1).int()}, 400, "dtype F64 or F32 or F16 or BF16, got I32"),
        (
            "/decode",
            {"latents": torch.ones(1, 2, 1, 1)},
            400,
            "must have 5 dimensions, none of them 0, got shape (1, 2",
        ),
        ("/decode", {"latents": torch.ones(1, 0, 2, 1, 1)}, 400, "none of them 0, got shape (1, 0, 2, 1, 1)"),
        ("/decode", {"latents": torch.ones(1, 1, 3, 1, 1)}, 400, "frames >= 1, 2, height, width), got (1, 1, 3, 1, 1)"),
        (
            "/decode",
            {"latents": torch.ones(1, 1, 2, 9, 2)},
            413,
            "4096 pixels per frame and 20000 in all, got 1 frames of 144x32",
        ),
        ("/decode", {"latents": torch.ones(1, 3, 2, 3, 2)}, 413, "got 17 frames of 48x32"),
        ("/encode", {"clips": torch.ones(1, 1, 3, 128, 48)}, 413, "got 1 frames of 128x48"),
        ("/encode", {"clips": torch.ones(1, 4, 3, 17, 16)}, 400, "height and width must be multiples of 16"),
        ("/encode", {"clips": torch.ones(1, 6, 3, 16, 16)}, 400, "a clip of 6 frames has no latents"),
        ("/encode", {"clips": torch.ones(1, 1, 4, 16, 16)}, 400, "clips must have shape"),
    ],
)
def test_bad_tensors(serve, small_vae, ask, path, tensors, status, message):
    server = serve(vae=small_vae(), limits=Limits(max_frame_pixels=4096, max_pixels=20_000))
    answer = ask(server.url, "POST", path, save(tensors), TENSORS)
    assert answer.status == status
    assert message in answer.error
    good = ask(server.url, "POST", "/decode", save({"latents": torch.ones(1, 1, 2, 1, 1)}), TENSORS)
    assert load(good.body)["clips"].shape == (1, 1, 3, 16, 16)


def test_a_refusal_reaches_a_client_that_is_still_sending(serve, small_vae):
    server = serve(vae=small_vae(), limits=Limits(max_body_bytes=2**16))
    with pytest.raises(ServingError, match=r"/encode answered 413: a body of /encode may have 65536 bytes") as error:
        RemoteVAE(server.url).encode(torch.zeros(1, 17, 3, 512, 512))
    assert error.value.status == 413
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as connection:
        connection.sendall(head(10**9) + bytes(2**25))  # no reset on the way
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_model_that_fails_is_an_answer_and_not_the_end(serve, ask, caplog):
    server = serve(text_encoder=Lengths())
    answer = ask(server.url, "POST", "/encode-text", prompts("fail"), JSON)
    assert (answer.status, answer.error) == (500, "the model failed with RuntimeError: out of")
    assert "luck" in caplog.text
    assert ask(server.url, "POST", "/encode-text", prompts("ab"), JSON).status == 200


def test_a_full_queue_is_told_to_come_back(serve, ask):
    encoder = Lengths()
    server = serve(text_encoder=encoder, limits=Limits(max_waiting=0))
    first = threading.Thread(target=ask, args=(server.url, "POST", "/encode-text", prompts("wait"), JSON))
    first.start()
    assert encoder.entered.wait(60)
    answer = ask(server.url, "POST", "/encode-text", prompts("a"), JSON)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.error == "one request is at work and 0 wait already"
    assert ask(server.url, "GET", "/health").status == 200
    with pytest.raises(ServingError, match="answered 503: one request is at work"):
        RemoteTextEncoder(server.url, timeout=0.9).encode(["a"])
    encoder.released.set()
    first.join()
    assert RemoteTextEncoder(server.url, timeout=30).encode(["a"]).llm[0, 0, 0] == 1


def test_requests_run_one_at_a_time(serve):
    inside, most = [], []

    class Watching(Lengths):
        def encode(self, texts):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()
            return super().encode(texts)

    server = serve(text_encoder=Watching())
    results: list[float] = []
    threads = [
        threading.Thread(
            target=lambda n=n: results.append(float(RemoteTextEncoder(server.url).encode(["x" * n]).llm[0, 0, 0]))
        )
        for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(1, 9))
    assert most == [1] * 8


def dripped(server: ModelServer, start: bytes, rest: bytes) -> bytes:
    """Sends bytes one by one until the server has had enough; returns what it says then."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as connection:
        connection.sendall(start)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in rest:
                connection.sendall(bytes([byte]))
                connection.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    return connection.recv(4096)
    raise AssertionError("the server read to the end")


def test_slow_senders_are_given_up(serve, ask):
    server = serve(text_encoder=Lengths(), limits=Limits(timeout_seconds=0.2, max_waiting=0))
    assert dripped(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", b"x" * 500) == b""
    assert dripped(server, head(500), b"x" * 499).startswith(b"HTTP/1.1 408 Request Timeout")
    assert ask(server.url, "POST", "/encode-text", prompts("ab"), JSON).status == 200


def test_slow_readers_are_given_up(serve):
    limits = Limits(timeout_seconds=0.2, min_bytes_per_second=2**40, max_waiting=0)
    server = serve(text_encoder=Lengths(), limits=limits)
    body = prompts("large")
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as connection:
        connection.sendall(head(len(body)) + body)
        assert connection.recv(10)
        assert RemoteTextEncoder(server.url, timeout=20).encode(["ab"]).llm[0, 0, 0] == 2


def test_the_end_waits_for_answers_but_not_for_questions():
    encoder = Lengths()
    service = ModelService(text_encoder=encoder)
    server = ModelServer(limits=Limits(timeout_seconds=100.0))
    server.listen(service)
    loop = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    loop.start()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(RemoteTextEncoder(server.url).encode(["wait"])))
    asking.start()
    assert encoder.entered.wait(60)
    with (
        socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as silent,
        socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as slow,
    ):
        slow.sendall(head(500) + b"only the start")
        while len(server.receiving) < 2:
            time.sleep(0.001)
        server.shutdown()
        closing = threading.Thread(target=server.server_close)
        closing.start()
        assert silent.recv(100) == b""
        slow.recv(100)
        assert answers == []
        encoder.released.set()
        for thread in (closing, asking, loop):
            thread.join(60)
            assert not thread.is_alive()
    assert answers[0].llm[0, 0, 0] == 4
    service.close()
    with pytest.raises(ServingError, match="nothing listens at"):
        RemoteTextEncoder(server.url).encode(["a"])


def test_connections_beyond_the_limit_are_closed(serve, ask, send_raw):
    server = serve(text_encoder=Lengths(), limits=Limits(max_connections=2, timeout_seconds=30.0))
    idle = [socket.create_connection(("127.0.0.1", server.server_port), timeout=30) for _ in range(2)]
    assert send_raw(server.url, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    for connection in idle:
        connection.close()
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError):
            assert ask(server.url, "GET", "/health").status == 200
            break
        assert time.monotonic() < deadline


def test_there_must_be_something_to_serve_within_some_limits():
    with pytest.raises(ServingError, match="there is nothing to serve"):
        ModelService()
    with pytest.raises(ServingError, match="limit max_prompts must be above 0, got 0"):
        Limits(max_prompts=0)
    with pytest.raises(ServingError, match="limit max_waiting must be above 0, got -1"):
        Limits(max_waiting=-1)
    assert Limits(max_waiting=0).max_waiting == 0
