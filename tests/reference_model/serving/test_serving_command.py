"""`python -m reference_model.serving`, called in this process, apart from what its own process shows elsewhere."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading

import pytest

from reference_model.serving import RemoteTextEncoder, RemoteVAE, ServingError
from reference_model.serving.__main__ import main

TOKEN = "correct-horse-battery"


class WaitingOutput(io.StringIO):
    """Standard output that tells when it has a line."""

    def __init__(self) -> None:
        super().__init__()
        self.has_line = threading.Event()

    def flush(self) -> None:
        self.has_line.set()


@pytest.fixture
def serve_until(monkeypatch):
    """Runs the command, calls a function with its URL, sends a signal; returns (exit code, what the function gave)."""

    def run(number: int, visit, *arguments: str):
        output = WaitingOutput()
        monkeypatch.setattr(sys, "stdout", output)
        results = []

        def visitor() -> None:
            assert output.has_line.wait(120)
            try:
                results.append(visit(output.getvalue().strip()))
            finally:
                os.kill(os.getpid(), number)

        thread = threading.Thread(target=visitor)
        handlers = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        thread.start()
        try:
            code = main(arguments)
        finally:
            for one, handler in handlers.items():
                signal.signal(one, handler)
            output.has_line.set()
            thread.join()
        return code, *results

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_and_ends_on_a_signal(serve_until, model_folder, local, number):
    def visit(url: str):
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(ServingError, match="serves text, not vae"):
            RemoteVAE(url).cfg  # noqa: B018
        return RemoteTextEncoder(url).encode(["a red ○"])

    code, text = serve_until(number, visit, "--folder", str(model_folder), "--parts", "text")
    assert code == 0
    assert text.llm.equal(local.text_encoder.encode(["a red ○"]).llm)


def test_the_token_comes_from_the_environment(serve_until, model_folder, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", TOKEN)

    def visit(url: str):
        with pytest.raises(ServingError, match="401"):
            RemoteVAE(url).cfg  # noqa: B018
        return RemoteVAE(url, TOKEN).cfg.z_channels

    options = ("--folder", str(model_folder), "--parts", "vae", "--token-env", "MY_TOKEN", "--dtype", "bfloat16")
    assert serve_until(signal.SIGTERM, visit, *options) == (0, 2)


def test_it_refuses_to_start(model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("STEPBENCH_SERVING_TOKEN", raising=False)
    small = ["--folder", str(model_folder)]

    def error(*arguments: str) -> str:
        assert main(arguments) == 2
        return capsys.readouterr().err

    assert "lets other machines in, and that needs a token\n  hint: set STEPBENCH_SERVING_TOKEN" in error(
        *small, "--host", "0.0.0.0"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "Address already in use" in error(*small, "--port", str(taken.getsockname()[1]))
    assert "port must be 0-65535" in error(*small, "--port", "70000")
    assert f"file not found: {tmp_path}" in error("--folder", str(tmp_path))
    assert "no packaged model 'huge'" in error("--preset", "huge")
    assert "at start of device string: toaster" in error(*small, "--device", "toaster")
    assert "limit max_body_bytes must be above 0" in error(*small, "--max-body-mib", "0")
    for wrong in ([], ["--folder", "a", "--preset", "b"], [*small, "--parts", "text,dit"], [*small, "--dtype", "int8"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
    assert "parts are text and vae, got 'text,dit'" in capsys.readouterr().err
