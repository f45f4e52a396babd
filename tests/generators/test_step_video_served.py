"""Parts of the reference model by URL: the same clips, no token on disk, and clear words when nobody is there."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_step_video import write_folder

from reference_model.checkpoint import load_text_encoder, load_vae
from reference_model.serving import ModelServer, ModelService
from reference_model.vae.model import VideoVAE
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.step_video import step_video_generator
from stepbench.records import Prompt, Request

TOKEN = "correct-horse-battery"
PROMPT = Prompt(id="p", text="a small red circle moves left", language="en", category="x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("models") / "mini-video")


@pytest.fixture(scope="module")
def bare_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a machine with the transformer alone needs: its weights, and the configs of the rest."""
    bare = tmp_path_factory.mktemp("bare") / "mini-video"
    shutil.copytree(folder, bare)
    for part in ("vae", "step_llm", "hunyuan_clip"):
        for file in (bare / part).rglob("*"):
            if file.is_file() and file.name != "config.json":
                file.unlink()
    return bare


@pytest.fixture(autouse=True)
def one_thread():
    """Here and in the server's threads: sums are rounded by how they are split among threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextlib.contextmanager
def serving(port=0, token=None, **parts):
    service = ModelService(**parts)
    with ModelServer(port=port, token=token) as server:
        server.listen(service)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()
            service.close()


@pytest.fixture(scope="module")
def parts(folder):
    return {"text_encoder": load_text_encoder(folder), "vae": load_vae(folder)}


@pytest.fixture
def url(parts):
    with serving(**parts) as url:
        yield url


@pytest.fixture
def free_port():
    with ModelServer() as server:
        return int(server.url.rpartition(":")[2])


def frames_of(generator, tmp_path, **settings):
    resolved = generator.resolve(PROMPT, 0, settings)
    request = Request(prompt_id="p", text=PROMPT.text, seed=0, settings=resolved, output_dir=tmp_path)
    return np.concatenate(list(generator.generate(request).frames))


@pytest.mark.parametrize("names", [("text_url",), ("vae_url",), ("text_url", "vae_url")])
def test_a_part_by_url_gives_the_same_clip(folder, url, tmp_path, names):
    here = frames_of(step_video_generator(str(folder)), tmp_path, frames=34)
    generator = step_video_generator(str(folder))
    served = frames_of(generator, tmp_path, frames=34, **dict.fromkeys(names, url))
    assert np.array_equal(served, here)
    assert {type(part).__name__ for part in (generator._loaded[1].text_encoder, generator._loaded[1].vae)} == {
        "RemoteTextEncoder" if "text_url" in names else "BilingualTextEncoder",
        "RemoteVAE" if "vae_url" in names else "VideoVAE",
    }


@pytest.mark.parametrize("offload", ["none", "stages"])
def test_what_is_served_need_not_be_here(folder, bare_folder, url, tmp_path, monkeypatch, offload):
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_OFFLOAD", offload)
    here = frames_of(step_video_generator(str(folder)), tmp_path)
    bare = step_video_generator(str(bare_folder))
    assert np.array_equal(frames_of(bare, tmp_path, text_url=url, vae_url=url), here)
    with pytest.raises(UsageError, match="file not found"):
        frames_of(bare, tmp_path)


def test_urls_are_settings_in_one_spelling(folder):
    generator = step_video_generator(str(folder))
    plain = generator.resolve(PROMPT, 0, {})
    assert not {"text_url", "vae_url"} & plain.keys()
    asked = generator.resolve(PROMPT, 0, {"text_url": "http://localhost:8000/"})
    assert asked == {**plain, "text_url": "http://localhost:8000"}
    assert generator.resolve(PROMPT, 0, asked) == asked


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("localhost:8000", r"text_url: a server's URL must be http://HOST:PORT .* got 'localhost:8000'"),
        ("http://user:secret@host", "must be http://HOST:PORT or https://HOST"),
        ("http://host:99999", "has no valid port"),
        ("", "must be http://HOST:PORT"),
        (8000, "text_url must be a URL, got 8000"),
    ],
)
def test_urls_that_are_none_are_refused_when_the_run_is_planned(folder, value, message):
    with pytest.raises(UsageError, match=message):
        step_video_generator(str(folder)).resolve(PROMPT, 0, {"text_url": value})


def test_planning_with_urls_needs_no_torch_and_no_server(folder):
    code = (
        "import sys; from stepbench.generators.registry import make_generator; from stepbench.records import Prompt\n"
        f"made = make_generator('step-video:{folder}')\n"
        "prompt = Prompt(id='p', text='x', language='en', category='')\n"
        "made.resolve(prompt, 0, {'text_url': 'http://localhost:1', 'vae_url': 'https://there'})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_keeps_the_urls_and_not_the_token(stepbench, make_suite, bare_folder, parts, monkeypatch):
    monkeypatch.setenv("STEPBENCH_SERVING_TOKEN", TOKEN)
    suite = make_suite("a small red circle moves left", "一个红的圆向左移动")
    with serving(token=TOKEN, **parts) as url:
        command = ["run", "-M", f"step-video:{bare_folder}", "-t", suite, "--run-id", "r", "-m", "flicker"]
        ended = stepbench(*command, "--set", f"text_url={url}", "--set", f"vae_url={url}")
    assert ended.code == 0, ended.err
    info = json.loads(Path("runs/r/run.json").read_text())
    assert (info["settings"]["text_url"], info["settings"]["vae_url"], info["status"]) == (url, url, "complete")
    for file in Path("runs/r").rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()
    assert TOKEN not in ended.out + ended.err


def test_without_a_server_rows_fail_at_once_and_the_run_goes_on_when_it_is_back(
    stepbench, make_suite, bare_folder, parts, free_port
):
    suite, url = make_suite("a small red circle moves left", "a large blue square moves up"), f"localhost:{free_port}"
    command = ["run", "-M", f"step-video:{bare_folder}", "-t", suite, "--run-id", "r", "--no-score"]
    command += ["--set", f"text_url=http://{url}", "--set", f"vae_url=http://{url}"]
    ended = stepbench(*command)
    assert ended.code == 3
    rows = [json.loads(line) for line in Path("runs/r/samples.jsonl").read_text().splitlines()]
    assert {row["error"] for row in rows} == {f"step-video: nothing listens at http://{url}"}
    with serving(port=free_port, **parts):
        assert stepbench(*command).code == 0
    rows = [json.loads(line) for line in Path("runs/r/samples.jsonl").read_text().splitlines()]
    assert [(row["outcome"], row["attempt"]) for row in rows] == [("ok", 2)] * 2


def test_a_single_clip_without_a_server_says_how_to_start_one(stepbench, folder, free_port):
    url = f"http://127.0.0.1:{free_port}"
    ended = stepbench("generate", "a red circle", "-M", f"step-video:{folder}", "--set", f"text_url={url}")
    assert (ended.code, list(Path().iterdir())) == (12, [])
    assert f"nothing listens at {url}" in ended.err
    assert "python -m reference_model.serving --folder" in ended.err


def test_a_server_that_goes_away_in_the_middle_costs_the_clip(folder, parts, tmp_path):
    generator = step_video_generator(str(folder))
    with serving(**parts) as url:
        settings = generator.resolve(PROMPT, 0, {"vae_url": url, "frames": 34})
        request = Request(prompt_id="p", text=PROMPT.text, seed=0, settings=settings, output_dir=tmp_path)
        frames = generator.generate(request).frames
    with pytest.raises(EnvironmentUnfitError, match="step-video: nothing listens at"):
        next(frames)
    with serving(text_encoder=parts["text_encoder"]) as url:
        settings = generator.resolve(PROMPT, 0, {"text_url": url})
        request = Request(prompt_id="p", text=PROMPT.text, seed=0, settings=settings, output_dir=tmp_path)
        generator.generate(request)
    with pytest.raises(EnvironmentUnfitError, match="step-video: nothing listens at"):
        generator.generate(request)


def test_servers_of_something_else_are_refused_before_weights_are_loaded(bare_folder, parts, tmp_path, monkeypatch):
    monkeypatch.setattr("reference_model.serving.pipeline.load_transformer", None)
    generator = step_video_generator(str(bare_folder))
    with serving(vae=parts["vae"]) as url, pytest.raises(EnvironmentUnfitError, match="serves vae, not text"):
        frames_of(generator, tmp_path, text_url=url, vae_url=url)
    other = VideoVAE(replace(parts["vae"].cfg, border_blend="none"))
    with (
        serving(vae=other) as url,
        pytest.raises(UsageError, match=r"is not that of mini-video: their configs differ\n  hint: serve the same"),
    ):
        frames_of(generator, tmp_path, vae_url=url)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, r"answered 401: this server needs its token\n  hint: set STEPBENCH_SERVING_TOKEN here"),
        (TOKEN + "x", r"answered 401: this server needs its token\n  hint: set STEPBENCH_SERVING_TOKEN here"),
        ("short", "a token must have at least 16 printable ASCII characters"),
    ],
)
def test_without_the_right_token_the_way_out_is_named(folder, parts, tmp_path, monkeypatch, token, message):
    if token is None:
        monkeypatch.delenv("STEPBENCH_SERVING_TOKEN", raising=False)
    else:
        monkeypatch.setenv("STEPBENCH_SERVING_TOKEN", token)
    with serving(token=TOKEN, **parts) as url, pytest.raises(EnvironmentUnfitError, match=message):
        frames_of(step_video_generator(str(folder)), tmp_path, text_url=url)


def test_a_dry_run_counts_the_memory_of_what_is_here(stepbench, folder):
    def estimate(*more):
        ended = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--json", *more)
        assert ended.code == 0, ended.err
        return ended.records()[0]

    here = estimate()
    weights = {stage["stage"]: stage["weight_bytes"] for stage in here["stages"]}
    away = estimate("--set", "text_url=http://there:1", "--set", "vae_url=http://there:2")
    assert [stage["served_by"] for stage in here["stages"]] == [None] * 3
    assert [stage["served_by"] for stage in away["stages"]] == ["http://there:1", None, "http://there:2"]
    assert away["flops"] == here["flops"]
    denoise = away["stages"][1]
    assert away["peak_bytes"] == denoise["weight_bytes"] + denoise["activation_bytes"]
    assert here["peak_bytes"] > sum(weights.values())
    told = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--set", "vae_url=http://there:2")
    assert "there:2" in told.out
