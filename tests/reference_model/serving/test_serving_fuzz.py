"""Hostile requests against a server process: none takes it down, fills its memory, or changes its numbers."""

from __future__ import annotations

import json
import pickle
import random
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from reference_model.serving import RemoteTextEncoder, RemoteVAE

LATENTS = save({"latents": torch.ones(1, 1, 2, 1, 1)})
FUZZ = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def request(path: str, body: bytes, *headers: str, method: str = "POST", length: object = None) -> bytes:
    kind = "application/json" if path == "/encode-text" else "application/octet-stream"
    length = len(body) if length is None else length
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", f"Content-Length: {length}"]
    return "\r\n".join([*head, *headers, "", ""]).encode("utf-8", "surrogatepass") + body


def tensors(header: str | bytes, data: bytes = b"", claimed: int | None = None) -> bytes:
    header = header.encode() if isinstance(header, str) else header
    return (len(header) if claimed is None else claimed).to_bytes(8, "little") + header + data


def entry(shape: str, dtype: str = "F32", offsets: str = "[0,8]") -> str:
    return f'{{"latents":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}'


HOSTILE_BODIES = [
    b"",
    b"\x00" * 7,
    tensors("{}", claimed=2**63),
    tensors("{}", claimed=2**64 - 1),
    tensors("{}", claimed=2**40),
    tensors("{}", claimed=1),
    tensors(b"\xff" * 100),
    tensors("[" * 30_000),
    tensors('{"a":' * 10_000),
    tensors(entry("[1,1,2,1,NaN]"), b"\0" * 8),
    tensors(entry("[1,1,2,1,-1]"), b"\0" * 8),
    tensors(entry("[1,1,2,1,1e3]"), b"\0" * 8),
    tensors(entry(f"[{2**62},{2**62},1,1,1]"), b"\0" * 8),
    tensors(entry("[0,0,0,0,0]", offsets="[0,0]")),
    tensors(entry("[1,1,0,99999999999,1]", offsets="[0,0]")),
    tensors(entry("[1,1,2,1,1]", offsets="[8,0]"), b"\0" * 8),
    tensors(entry("[1,1,2,1,1]", offsets=f"[0,{2**63}]"), b"\0" * 8),
    tensors(entry("[1,1,2,1,1]", "F99"), b"\0" * 8),
    tensors(entry("[1,1,2,1,1]", "BOOL", "[0,2]"), b"\0" * 2),
    tensors(entry("[1,1,2,1,1]", "U64", "[0,16]"), b"\0" * 16),
    tensors(entry("[1,1,2,1,1]", "C64", "[0,16]"), b"\0" * 16),
    tensors(entry(str([1] * 5000), offsets="[0,4]"), b"\0" * 4),
    tensors(entry("[1,1,2,1,1]"), b"\0" * 8 + b"more"),
    tensors('{"__metadata__":{"a":1}}'),
    tensors("{" + ",".join(f'"{n}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for n in range(900)) + "}"),
    *(LATENTS[:cut] for cut in range(0, len(LATENTS), 7)),
    LATENTS[:8] + LATENTS[9:],
    pickle.dumps({"samples": [1, 2, 3]}),
    b"PK\x03\x04" + b"\0" * 100,
]
HOSTILE_TEXTS = [
    b"",
    b"nonsense",
    b"\xff\xfe\xfd",
    b"[" * 100_000,
    b'{"prompts":' * 20_000,
    b'{"prompts": [NaN]}',
    b'{"prompts": [null, true, {}]}',
    b'{"prompts": ["\\ud800"]}',
    b'{"prompts": ["\xed\xa0\x80"]}',
    b'{"prompts": {"0": "a"}}',
    b'{"prompts": ["a"], "prompts": []}',
    b'{"prompts": 1' + b"0" * 50_000 + b"}",
    json.dumps({"prompts": ["a"] * 10_000}).encode(),
    json.dumps({"prompts": ["字" * 100_000]}).encode(),
    pickle.dumps({"prompts": ["a"]}),
]
HOSTILE_REQUESTS = [
    b"",
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # a TLS hello
    b"GET\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"GET /health HTTP/9.9\r\n\r\n",
    b"GET /health HTTP/1.1111111111111111111\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET " + b"/x" * 40_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /\xff\xfe\x00%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET http://127.0.0.1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /decode HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n\r\n",
    *(request(path, b"", method="GET") for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd")),
    *(request("/decode", LATENTS, method=method) for method in ("PUT", "DELETE", "PATCH", "HEAD", "TRACE", "__init__")),
    *(request("/decode", b"", length=length) for length in (2**63, 10**40, -1, "0x10", "٣", "1, 1", 1000)),
    request("/decode", LATENTS, "Content-Length: 1"),
    request("/decode", b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    request("/decode", LATENTS, "Content-Encoding: gzip", "Expect: 100-continue"),
    request("/decode", LATENTS, "Authorization: Bearer \ud800\x00"),
    request("/decode", b"x" * 2**20, length=10**9),
]


@pytest.fixture
def survives(serving_process, send_raw):
    """Sends bytes; the answer, if there is any, must be one that HTTP has, and never a failure of the server."""

    def send(data: bytes) -> str | None:
        answer = send_raw(serving_process.url, data)
        assert serving_process.process.poll() is None
        if not answer or answer.startswith(b"{"):  # hung up; or HTTP/0.9, which has no status
            return None
        answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        status = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        assert status is not None, answer[:200]
        assert status[1] not in (b"500", b"503"), answer[:500]
        return status[1].decode()

    return send


@pytest.fixture
def still_right(serving_process, local, draw, ask):
    """Checks afterwards that health and numbers are as they were."""
    yield
    assert ask(serving_process.url, "GET", "/health").status == 200
    latents = draw(1, 4, 2, 1, 2)
    with torch.no_grad():
        assert torch.equal(RemoteVAE(serving_process.url).decode(latents), local.vae.decode(latents))
    text = RemoteTextEncoder(serving_process.url).encode(["a red ○"])
    assert torch.equal(text.llm, local.text_encoder.encode(["a red ○"]).llm)


def test_hand_made_requests(survives, still_right):
    for path in ("/decode", "/encode"):
        for body in HOSTILE_BODIES:
            assert survives(request(path, body)) == "400"
    for body in HOSTILE_TEXTS:
        assert survives(request("/encode-text", body)) in ("400", "413")
    for data in HOSTILE_REQUESTS:
        assert survives(data) in (None, "400", "403", "404", "405", "408", "411", "413", "414", "431", "505", "200")


def test_random_bytes(survives, still_right):
    @FUZZ
    @given(st.binary(max_size=400))
    def check(data):
        assert survives(data + b"\r\n\r\n") != "200"
        assert survives(request("/decode", data)) == "400"

    check()


def test_damaged_requests(survives, still_right):
    whole = request("/decode", LATENTS)

    @FUZZ
    @given(st.integers(0, len(whole) - 1), st.binary(max_size=6), st.integers(0, 6))
    def check(at, new, dropped):
        survives(whole[:at] + new + whole[at + dropped :])

    check()


def test_headers_of_safetensors_that_could_almost_be(survives, still_right):
    sizes = st.one_of(st.integers(-1, 5), st.sampled_from([2**31, 2**63, 2**64, None, 1.5, "1", []]))
    entries = st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F4", "", 3]),
            "shape": st.one_of(st.lists(sizes, max_size=6), st.just([1, 1, 2, 1, 1])),
            "data_offsets": st.one_of(st.lists(sizes, max_size=3), st.just([0, 8])),
        }
    )
    names = st.sampled_from(["latents", "clips", "__metadata__", "", "\x00", "字"])

    @FUZZ
    @given(st.dictionaries(names, entries, max_size=3), st.binary(max_size=16), st.sampled_from(["/decode", "/encode"]))
    def check(header, data, path):
        survives(request(path, tensors(json.dumps(header), data)))

    check()


def test_json_of_all_kinds(survives, still_right):
    values = st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=20)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["prompts", "p"]), inner, max_size=2)
        ),
        max_leaves=8,
    )

    @FUZZ
    @given(st.one_of(values, st.builds(lambda texts: {"prompts": texts}, st.lists(st.text(), max_size=5))))
    def check(value):
        texts = value.get("prompts") if isinstance(value, dict) and len(value) == 1 else None
        good = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
        assert survives(request("/encode-text", json.dumps(value).encode())) == ("200" if good else "400")

    check()


def test_memory_does_not_grow(survives, still_right, serving_process):
    rng = random.Random(0)

    def flood(rounds: int) -> None:
        for _ in range(rounds):
            survives(request("/decode", tensors("{}", rng.randbytes(2**20))))
            survives(request("/decode", tensors(entry("[1,1,2,512,256]", offsets=f"[0,{2**20}]"), bytes(2**20))))
            survives(request("/encode-text", b'{"prompts": ["' + b"a" * 2**20 + b'"]}'))
            survives(request("/encode", rng.randbytes(2**20), length=2**21))
            survives(request("/decode", LATENTS))

    flood(10)
    before = serving_process.resident_bytes()
    flood(40)
    assert serving_process.resident_bytes() - before < 20 * 2**20
