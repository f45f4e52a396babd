"""The command line on the ranks of a job: the rows and pixels of one process, and a run that survives a killed rank."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from released_layout import build_released_folder

from stepbench.video import read_clip

SMALL = [
    "--set",
    "frames=34",
    "--set",
    "height=32",
    "--set",
    "width=16",
    "--set",
    "guidance=3",
    "--set",
    "dtype=float32",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"step-video:{build_released_folder(tmp_path_factory.mktemp('models') / 'small')}"


@pytest.fixture
def on_ranks_of(start: Callable[..., Any]) -> Callable[..., list[Any]]:
    """`on_ranks_of(2, "run", ...)` starts the command as torchrun would, in processes of a job of this size."""

    def begin(size: int, *arguments: object, **environment: str) -> list[Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        job = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **environment}
        return [start(*arguments, **job, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in range(size)]

    return begin


def rows_of(run: Path) -> list[dict[str, Any]]:
    file = run / "samples.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def frames_of(run: Path, row: dict[str, Any]) -> np.ndarray:
    return read_clip(run / row["clip"]).frames.astype(int)


def test_rows_and_pixels_are_those_of_one_process(on_ranks_of, start, make_suite, model):
    suite = make_suite("a small red circle moves left", "一个红的圆向左移动")
    asked = ["run", "-M", model, "-t", suite, *SMALL, "--set", "steps=2", "--no-score"]
    both = on_ranks_of(2, *asked, "--run-id", "two", "--ulysses", "2")
    one = start(*asked, "--run-id", "one")
    for process in (*both, one):
        ended = process.wait()
        assert ended.code == 0, ended.err
    alone, together = rows_of(Path("runs/one")), rows_of(Path("runs/two"))
    assert [row["outcome"] for row in together] == ["ok", "ok"]
    for row, same in zip(alone, together, strict=True):
        assert row["sample_key"] == same["sample_key"]
        expected, frames = frames_of(Path("runs/one"), row), frames_of(Path("runs/two"), same)
        assert expected.std() > 1
        assert np.abs(frames - expected).max() <= 1
        assert (frames == expected).mean() > 0.999
    assert json.loads(Path("runs/two/run.json").read_text())["status"] == "complete"


def test_one_clip_in_the_dtype_on_disk_by_four_ranks_of_which_one_decodes(on_ranks_of, model):
    asked = ["generate", "a red circle", "-M", model, *SMALL[:-2], "--set", "steps=2", "-o", "clip.mkv", "--json"]
    ranks = on_ranks_of(4, *asked, "--tensor-parallel", 2, "--guidance-parallel", "--no-vae-parallel")
    ended = [rank.wait() for rank in ranks]
    assert [one.code for one in ended] == [0] * 4, ended
    assert "clip.mkv: 34 frames of 16x32" in ended[0].err
    assert not any(one.err for one in ended[1:])
    assert read_clip(Path("clip.mkv")).frames.shape == (34, 3, 32, 16)


def test_a_killed_rank_ends_the_job_and_the_run_continues(on_ranks_of, start, make_suite, model):
    suite = make_suite(*[f"a red circle moves {way}" for way in ("left", "right", "up", "down")])
    asked = ["run", "-M", model, "-t", suite, *SMALL, "--set", "steps=40", "--no-score", "--run-id", "cut"]
    first, second = on_ranks_of(2, *asked, "--tensor-parallel", 2, TOY_SAVE_EACH="1")
    run = Path("runs/cut")
    assert first.wait_until(lambda: bool(rows_of(run))), first.wait().err
    assert second.signal(signal.SIGKILL).code == -signal.SIGKILL
    ended = first.wait()
    assert ended.code == 3
    assert "rank 0 cannot go on, or another rank is gone" in ended.err
    assert "the same command continues" in ended.err
    before = rows_of(run)
    assert 1 <= len(before) < 4
    assert start(*asked).wait().code == 0
    after = rows_of(run)
    assert after[: len(before)] == before
    assert [row["outcome"] for row in after] == ["ok"] * 4
    assert len({row["sample_key"] for row in after}) == 4


def test_ranks_that_nobody_needs_are_refused_by_all_and_said_once(on_ranks_of, model):
    first, second = on_ranks_of(2, "generate", "a cat", "-M", model)
    ended = first.wait()
    assert ended.code == 2
    assert "takes 1 process, but 2 were started\n  hint: start torchrun" in ended.err
    # The other one leaves the word to the first; torchrun ends it in this way.
    assert second.wait_until(second.log.exists)
    assert "takes 1 process" not in second.signal(signal.SIGTERM).err


@pytest.mark.slow
def test_fp8_goes_with_ulysses_and_makes_other_pixels_than_without(on_ranks_of, model):
    asked = ["generate", "a red circle", "-M", model, *SMALL, "--set", "steps=2", "--ulysses", 2]
    both = [on_ranks_of(2, *asked, "-o", "plain.mkv"), on_ranks_of(2, *asked, "--set", "fp8=true", "-o", "fp8.mkv")]
    for ended in [rank.wait() for ranks in both for rank in ranks]:
        assert ended.code == 0, ended.err
    plain, fp8 = (read_clip(Path(name)).frames.astype(int) for name in ("plain.mkv", "fp8.mkv"))
    assert 0 < np.abs(plain - fp8).mean() < plain.std()


@pytest.mark.parametrize(
    ("size", "generator", "options", "message"),
    [
        (2, "MODEL", [], "guidance 1 x ulysses 1 x tensor 1 takes 1 process, but 2 were started"),
        (1, "MODEL", ["--ulysses", 2], "takes 2 processes, but 1 was started"),
        (1, "MODEL", ["--tensor-parallel", 4], "must divide the 2 attention heads, got 1 x 4"),
        (1, "MODEL", ["--ulysses", 0], "ulysses must be a whole number from 1 up, got 0"),
        (1, "world:exact", ["--ulysses", 2], "world:exact cannot be spread over processes"),
    ],
)
def test_what_does_not_fit_is_refused_before_loading(stepbench, monkeypatch, model, size, generator, options, message):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr("stepbench.cli.parallel.started_processes", lambda: size)
    spec = model if generator == "MODEL" else generator
    ended = stepbench("generate", "a cat", "-M", spec, *options)
    assert ended.code == 2
    assert message in ended.err
    assert "hint: " in ended.err
