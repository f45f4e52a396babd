"""From the VAE's decoder to the encoders chunk by chunk: the bytes of whole clips, in memory of two seconds."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tiny_step_video import write_folder

from reference_model.checkpoint import load_pipeline
from reference_model.memory.live_bytes import LiveBytes
from stepbench.canonical import sha256_file
from stepbench.generators.step_video import StepVideoGenerator, step_video_generator
from stepbench.records import Prompt, Request
from stepbench.runs.sample_worker import SampleTask, make_sample
from stepbench.video import master_writer, read_comment, write_preview

PROMPT = Prompt(id="p", text="a small red circle moves left", language="en", category="x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("models") / "mini-video")


@pytest.fixture(scope="module")
def generator(folder: Path) -> StepVideoGenerator:
    return step_video_generator(str(folder))


def make(generator, clips, **settings):
    resolved = generator.resolve(PROMPT, 0, settings)
    task = SampleTask(key="k", prompt_id="p", text=PROMPT.text, seed=0, settings=resolved, attempt=1)
    made = make_sample(generator, clips, ".tmp-", "both", None, task)
    assert made.row["outcome"] == "ok", made.row
    return made


def test_files_and_row_are_those_of_a_clip_in_one_piece(folder, generator, tmp_path):
    made = make(generator, tmp_path, frames=51)
    (video,) = load_pipeline(folder)(PROMPT.text, seeds=0, num_frames=51)
    whole = video.frames.numpy()
    with master_writer(tmp_path / "whole.mkv", 8, comment=read_comment(made.scratch / "p-s0.mkv")) as writer:
        writer.write(whole)
    write_preview(tmp_path / "whole.mp4", whole, 8)
    for suffix in ("mkv", "mp4"):
        assert (made.scratch / f"p-s0.{suffix}").read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    assert made.row["clip_sha256"] == sha256_file(tmp_path / "whole.mkv")
    assert [made.row[name] for name in ("frames", "height", "width", "fps")] == [51, 32, 16, 8.0]
    assert made.row["seconds"]["vae_decode"] < made.row["seconds"]["generate"]


def peaks(work):
    """Most bytes of torch tensors, and most bytes of everything Python and NumPy hold."""
    tracemalloc.start()
    with LiveBytes() as live:
        work()
    _, python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return np.array([live.peak, python])


def test_memory_while_generating_does_not_grow_with_the_number_of_frames(folder, generator, tmp_path):
    size = {"height": 64, "width": 64}
    chunk = 17 * 3 * 64 * 64
    make(generator, tmp_path, **size)  # loads the model
    short = peaks(lambda: make(generator, tmp_path, frames=34, **size))
    long = peaks(lambda: make(generator, tmp_path, frames=204, **size))
    # Latents grow, by 1/768 of the pixels here; ten more chunks of pixels in either form would show.
    assert (long - short < chunk / 2).all()
    pipeline = load_pipeline(folder)
    whole = peaks(lambda: pipeline(PROMPT.text, num_frames=204, **size))
    assert (whole - short)[0] > 8 * chunk


@pytest.mark.parametrize("taken", [1, 2])
def test_weights_that_rest_elsewhere_come_for_the_frames_and_leave_with_them(generator, tmp_path, monkeypatch, taken):
    log = []

    @contextmanager
    def watched(module, device):
        log.append(f"{type(module).__name__} to {device}")
        try:
            yield
        finally:
            log.append("back")

    monkeypatch.setattr("reference_model.memory.offload.resident", watched)
    settings = generator.resolve(PROMPT, 0, {"frames": 34})
    request = Request(prompt_id="p", text=PROMPT.text, seed=0, settings=settings, output_dir=tmp_path)
    frames = generator.generate(request).frames
    assert log == []
    for _ in range(taken):
        next(frames)
        assert log == ["VideoVAE to cpu"]
    # Whoever stops half-way, on a full disk perhaps, closes what it was taking from.
    frames.close()
    assert log == ["VideoVAE to cpu", "back"]
