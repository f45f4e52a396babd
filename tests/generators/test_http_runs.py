"""`-M http:URL` on the command line: whole runs, killed and continued ones, and the service of the examples."""

from __future__ import annotations

import json
import os
import runpy
import shlex
import signal
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from http_services import Reply, Service, json_reply

from stepbench.video import write_preview

EXAMPLE = Path(__file__).parents[2] / "examples" / "http_service.py"
TOKEN = "correct-horse-battery"
TEXTS = [f"prompt number {number}" for number in range(4)]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A video by grey level."""
    folder = tmp_path_factory.mktemp("videos")
    for level in range(4):
        write_preview(folder / f"{level}.mp4", np.full((3, 3, 16, 16), 40 * level, np.uint8), 8)
    return [(folder / f"{level}.mp4").read_bytes() for level in range(4)]


@pytest.fixture
def service(videos, workplace):
    with Service(name="acme", revision="7") as service:
        service.replies["POST /model"] = lambda asked: Reply(
            200, videos[int(asked.document["prompt"][-1])], "video/mp4", pause=0.05
        )
        yield service


def rows(run):
    return [json.loads(line) for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def test_killed_and_continued_with_two_workers(start, make_suite, service, workplace, videos):
    make_suite(*TEXTS)
    command = ["run", "-M", f"http:{service.url}/model", "-t", "mini", "--seeds", "0..2", "--run-id", "r", "--no-score"]
    command += ["--workers", "2", "--timeout", "60"]
    environment = {"STEPBENCH_HTTP_TOKEN": TOKEN, "TOY_SAVE_EACH": "1"}
    run = workplace / "runs" / "r"
    killed = start(*command, **environment)
    assert killed.wait_until(lambda: (run / "clips").is_dir() and any((run / "clips").glob("p*.mp4")))
    assert killed.signal(signal.SIGKILL).code == -signal.SIGKILL
    before = len(service.posts())
    assert before < 12
    ended = start(*command, **environment).wait()
    assert ended.code == 0, ended.err
    made = rows(run)
    assert [row["outcome"] for row in made] == ["ok"] * 12
    for row in made:
        prompt = int(Path(row["clip"]).name[1]) - 1
        assert (run / row["clip"]).read_bytes() == videos[prompt]
    assert len({asked.headers["idempotency-key"] for asked in service.posts()}) == 12
    assert len(service.posts()) < 12 + before
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in service.asked)
    for file in run.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes(), file


def test_failures_and_refusals_are_rows(stepbench, make_suite, service, workplace, videos, monkeypatch):
    monkeypatch.setenv("STEPBENCH_HTTP_TOKEN", TOKEN)
    make_suite("0", "1", "2")
    answers = [
        Reply(200, videos[0], "video/mp4"),
        json_reply({"reason": "no ones"}, 422),
        Reply(500, f"bad {TOKEN}".encode()),
    ]
    service.replies["POST /model"] = lambda asked: answers[int(asked.document["prompt"])]
    command = ["run", "-M", f"http:{service.url}/model", "-t", "mini", "--run-id", "r", "--no-score"]
    assert stepbench(*command).code == 3
    run = workplace / "runs" / "r"
    assert [(row["outcome"], row["error"], row["attempt"]) for row in rows(run)] == [
        ("ok", None, 1),
        ("refused", "no ones", 1),
        ("failed", f"ServiceError: {service.url}/model answered 500 (text/plain): bad [token]", 1),
    ]
    assert not any(TOKEN.encode() in file.read_bytes() for file in run.rglob("*") if file.is_file())
    answers[2] = answers[0]
    assert stepbench(*command).code == 0
    assert rows(run)[2]["attempt"] == 2
    assert len(service.posts()) == 4
    service.replies["GET /model"] = [json_reply({"name": "acme", "revision": "8"})]
    ended = stepbench(*command)
    assert ended.code == 2
    assert "holds a run with another plan" in ended.err
    assert "'revision': '8'" in ended.err


def test_a_dry_run_makes_nothing(stepbench, make_suite, service):
    make_suite("0", "1")
    ended = stepbench("run", "-M", f"http:{service.url}/model", "-t", "mini", "--dry-run")
    assert ended.code == 0, ended.err
    assert "2 samples" in ended.out
    assert {asked.method for asked in service.asked} == {"GET"}


def test_exit_codes_say_who_has_to_act(stepbench, make_suite, service):
    assert stepbench("generate", "0", "-M", "http:http://127.0.0.1:9/@1").code == 12
    assert stepbench("generate", "0", "-M", f"http:{service.url}/other").code == 2
    service.replies["POST /model"] = [Reply(500)]
    assert stepbench("generate", "0", "-M", f"http:{service.url}/model").code == 3


@pytest.fixture
def example(workplace):
    """The service of the examples, in a thread."""
    with ThreadingHTTPServer(("127.0.0.1", 0), runpy.run_path(str(EXAMPLE))["Service"]) as server:
        server.RequestHandlerClass.log_message = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http:http://127.0.0.1:{server.server_address[1]}/generate"
        server.shutdown()
        thread.join()


def test_the_service_of_the_examples(stepbench, make_suite, example, workplace):
    ended = stepbench("generate", "a cat", "-M", example, "--set", "frames=5", "-o", "cat.mp4", "--json")
    assert ended.code == 0, ended.err
    assert (ended.records()[0]["frames"], ended.records()[0]["generator"]) == (5, "grey-noise")
    ended = stepbench("generate", "a secret", "-M", example)
    assert ended.code == 3
    assert "grey-noise refused: no secrets" in ended.err


def test_the_command_of_a_report_makes_the_run_again(stepbench, make_suite, example, workplace):
    make_suite("a cat")
    command = ["run", "-M", example, "-t", "mini", "--set", "frames=5", "--run-id", "r", "--no-score"]
    assert stepbench(*command).code == 0
    import stepbench as library
    from stepbench.reporting.recipe import commands

    (line,) = [line for line in commands(library.open_run("runs/r")) if not line.startswith("#")]
    words = shlex.split(line)
    assert words[:4] == ["stepbench", "run", "-M", example]
    os.rename("runs/r", "runs/first")
    assert stepbench(*words[1:]).code == 0
    assert [row["sample_key"] for row in rows(Path("runs/r"))] == [
        row["sample_key"] for row in rows(Path("runs/first"))
    ]
