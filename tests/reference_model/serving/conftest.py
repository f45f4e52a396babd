"""A small model folder, servers for it in threads and in a process, and ways to talk to them by hand."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sentencepiece
import torch
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from reference_model.checkpoint import load_pipeline, save_pipeline
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.serving import Limits, ModelServer, ModelService
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

REPOSITORY = Path(__file__).parents[3]
SENTENCES = [
    f"a {colour} {shape} moves {way}" for colour in ("red", "blue") for shape in "○□" for way in ("up", "down")
]
SENTENCES += [f"一个{colour}的{shape}向{way}移动" for colour in "红蓝" for shape in "圆方" for way in "上下"]


def train_tokenizers(folder: Path) -> tuple[StepTokenizer, ClipTokenizer]:
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=pieces,
        model_type="bpe",
        vocab_size=360,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
    )
    (folder / "pieces.model").write_bytes(pieces.getvalue())
    words = BertWordPieceTokenizer(lowercase=True)
    words.train_from_iterator(iter(SENTENCES), vocab_size=120, min_frequency=1, show_progress=False)
    vocabulary = sorted(words.get_vocab(), key=words.get_vocab().__getitem__)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return StepTokenizer(folder / "pieces.model", 12), ClipTokenizer(folder / "vocab.txt", 10)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A whole float32 model with random weights: 17 frames of 32x16 pixels in two steps."""
    pieces, words = train_tokenizers(tmp_path_factory.mktemp("tokenizers"))
    llm = StepLLMConfig(
        hidden_size=16,
        num_layers=1,
        num_attention_heads=2,
        num_attention_groups=1,
        ffn_hidden_size=32,
        padded_vocab_size=pieces.vocab_size,
        max_prompt_tokens=12,
    )
    clip = ClipConfig(
        vocab_size=words.vocab_size,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        max_prompt_tokens=10,
    )
    transformer = TransformerConfig(
        num_attention_heads=2, attention_head_dim=16, num_layers=1, in_channels=2, caption_channels=(16, 8)
    )
    vae = VAEConfig(enc_ch=2, enc_ch_mult=(2, 4, 8, 8), dec_ch=2, dec_ch_mult=(1, 2, 4, 4), z_channels=2, groups=2)
    sampling = SamplingConfig(
        num_steps=2, guidance_scale=3.0, num_frames=34, height=32, width=16, positive_magic="", negative_magic="蓝"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = BilingualTextEncoder(StepLLM(llm), pieces, HunyuanClip(clip), words)
        pipeline = TextToVideoPipeline(StepVideoTransformer(transformer), VideoVAE(vae), encoder, sampling)
    folder = tmp_path_factory.mktemp("models") / "small"
    save_pipeline(pipeline, folder)
    return folder


@pytest.fixture(scope="session")
def local(model_folder) -> TextToVideoPipeline:
    """Every part in this process."""
    return load_pipeline(model_folder)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The threads of the served process: sums are rounded by how they are split among them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class ServingProcess:
    """A server as a user starts it."""

    process: subprocess.Popen[str]
    url: str

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.fixture(scope="session")
def serving_process(model_folder, tmp_path_factory) -> Iterator[ServingProcess]:
    """One process for all tests that do no harm to it, or only try to. In the end, SIGTERM must end it in peace."""
    log = tmp_path_factory.mktemp("server") / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPBENCH_")}
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "reference_model.serving", "--folder", str(model_folder), "--max-body-mib", "4"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=REPOSITORY,
            env={**environment, "OMP_NUM_THREADS": "1"},
        )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, log.read_text(encoding="utf-8")
        yield ServingProcess(process, url)
        process.terminate()
        assert process.wait(60) == 0, log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., ModelServer]]:
    """`serve(vae=..., text_encoder=..., token=..., limits=...)` starts a server in a thread."""
    with contextlib.ExitStack() as stack:

        def start(*, token: str | None = None, limits: Limits | None = None, **parts: Any) -> ModelServer:
            limits = limits or Limits(timeout_seconds=5.0)
            service = ModelService(limits=limits, **parts)
            stack.callback(service.close)
            server = stack.enter_context(ModelServer(token=token, limits=limits))
            server.listen(service)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield start


@dataclass(frozen=True)
class Answer:
    """What came back from a server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> str:
        return json.loads(self.body)["error"]


@pytest.fixture(scope="session")
def ask() -> Callable[..., Answer]:
    """`ask(url, "POST", "/decode", body, {"Content-Type": ...})`, with the headers given and no others of ours."""

    def exchange(url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    return exchange


@pytest.fixture(scope="session")
def send_raw() -> Callable[[str, bytes], bytes]:
    """Sends bytes, ends the sending side, and returns all that comes back, b"" if the server just hung up."""

    def exchange(url: str, data: bytes) -> bytes:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            received = b""
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(2**16):
                    received += chunk
            return received

    return exchange
