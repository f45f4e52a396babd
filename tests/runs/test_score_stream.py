"""The stage that scores clips: it reads ahead and no further, and company never changes a clip's numbers."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import metrics
from metrics import ClipView
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.executors.local import LocalExecutor
from stepbench.executors.protocol import Lost, Stage
from stepbench.records import Prompt
from stepbench.runs import device, score_stream
from stepbench.runs.clip_features import features_of_clips
from stepbench.runs.metric_set import choose_metrics
from stepbench.runs.read_pieces import read_pieces
from stepbench.runs.score_pieces import Halfway, score_pieces
from stepbench.runs.score_worker import ClipFile, ScoreTask
from stepbench.video import VideoClip

PROMPTS = [Prompt(id="p", text="p", language="en", category="c")]


def task(key: str, **fields: Any) -> ScoreTask:
    return ScoreTask(sample_key=key, clip=ClipFile(path=Path(f"{key}.mkv"), sha256="0" * 64), **fields)


def clip(seed: int, frames: int = 3, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 3, side, side), dtype=np.uint8)


def test_one_part_is_read_ahead_and_never_more(workplace, monkeypatch):
    read: list[tuple[int, int]] = []
    scored = []
    scoring = threading.Event()

    def reading(self: ClipFile) -> Iterator[VideoClip]:
        for part in range(3):
            read.append((int(self.path.stem), part))
            yield VideoClip(frames=clip(part), fps=8.0)

    def score(metrics: Any, makers: Any, one: ScoreTask, pieces: Iterator[Any], device: str) -> Halfway:
        for part, _ in enumerate(pieces):
            scored.append(((int(one.sample_key), part), read[-1]))
            scoring.wait(0.02)  # long enough for a reader that does not stop to run on
        return Halfway(task=one, rows=[], frames={}, seconds=0)

    monkeypatch.setattr(ClipFile, "stream", reading)
    monkeypatch.setattr(score_stream, "score_pieces", score)
    done = score_stream.score_stream({}, {}, "cpu", (task(str(number)) for number in range(4)))
    assert [one.sample_key for one, _ in done] == list("0123")
    assert read == [(number, part) for number in range(4) for part in range(3)]
    assert [at for at, _ in scored] == read
    assert all(read.index(ahead) <= read.index(at) + 1 for at, ahead in scored), scored


def test_the_next_part_is_read_while_one_is_scored(workplace, monkeypatch):
    second = threading.Event()

    def reading(self: ClipFile) -> Iterator[VideoClip]:
        yield VideoClip(frames=clip(0), fps=8.0)
        second.set()
        yield VideoClip(frames=clip(0), fps=8.0)

    def score(metrics: Any, makers: Any, one: ScoreTask, pieces: Iterator[Any], device: str) -> Halfway:
        next(pieces)
        # Waits until the second part is being read: without a reader beside it, for ever.
        return Halfway(task=one, rows=[{"overlapped": second.wait(30)}], frames={}, seconds=0)

    monkeypatch.setattr(ClipFile, "stream", reading)
    monkeypatch.setattr(score_stream, "score_pieces", score)
    done = list(score_stream.score_stream({}, {}, "cpu", [task("0"), task("1")]))
    assert [scored.rows for _, scored in done] == [[{"overlapped": True}]] * 2


def test_few_frames_of_a_long_clip_are_alive_at_once(workplace, monkeypatch):
    """Whatever the length: the part that is worked on, the one read ahead, and what is being taken over from one."""
    alive, most = set(), []

    def reading(self: ClipFile) -> Iterator[VideoClip]:
        for part in range(60):
            frames = clip(part % 7, frames=10)
            alive.add(part)
            weakref.finalize(frames, alive.discard, part)
            most.append(len(alive))
            yield VideoClip(frames=frames, fps=8.0)
            del frames

    monkeypatch.setattr(ClipFile, "stream", reading)
    monkeypatch.setattr("stepbench.video.count_frames", lambda path: 600)
    every = choose_metrics([*metrics.OFFLINE, "random_feature_distance", "psnr"], PROMPTS, reference_hash="0" * 64)
    of_clips = [one.metric_id for one in every if not one.feature_id]
    of_sets = [one.feature_id for one in every if one.feature_id]
    one = task("0", metrics=of_clips, features=of_sets, reference=ClipFile(path=Path("1.mkv"), sha256="0" * 64))
    ((_, scored),) = score_stream.run_scoring(every, [one])
    assert {row["status"] for row in scored.rows} == {"ok"}
    assert set(scored.features) == set(of_sets)
    assert max(most) <= 3, most


def test_what_a_reader_chokes_on_fails_that_clip_alone(workplace, monkeypatch):
    def reading(self: ClipFile) -> Iterator[VideoClip]:
        yield VideoClip(frames=clip(0), fps=8.0)
        if self.path.stem == "1":
            raise MemoryError("too large")

    monkeypatch.setattr(ClipFile, "stream", reading)
    (flicker,) = choose_metrics(["flicker"], PROMPTS)
    tasks = [task(key, metrics=[flicker.metric_id]) for key in "012"]
    rows = [scored.rows[0] for _, scored in score_stream.run_scoring([flicker], tasks)]
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert rows[1]["error"] == "MemoryError: too large"


@pytest.mark.parametrize("workers", [2, 3])
def test_a_clip_that_ends_its_worker_costs_no_other_clip(workers: int, workplace):
    import toy_workers

    tasks = [task("exit" if number == 5 else str(number)) for number in range(16)]
    done = {
        one.sample_key: scored
        for one, scored in score_stream.score_with(toy_workers.make_scorer, tasks, executor=LocalExecutor(workers))
    }
    assert sorted(done) == sorted(one.sample_key for one in tasks)
    assert done["exit"].rows == []
    assert done["exit"].seconds == float("inf")
    assert all(done[str(number)].rows == [{"key": str(number)}] for number in range(16) if number != 5)


class Forgetful:
    """An executor that loses every batch with a certain clip in it."""

    workers = 1
    in_process = False

    def __init__(self) -> None:
        self.lost: list[str] = []

    def run_tasks(self, make_worker, tasks, *, stage, timeout=None):
        assert stage == Stage.SCORE
        for batch in tasks:
            names = "".join(one.sample_key for one in batch)
            if "5" in names:
                self.lost.append(names)
                yield batch, Lost("out of memory")
            else:
                yield batch, make_worker()(batch)


def test_a_batch_that_is_lost_is_halved_until_one_clip_is_left(workplace):
    import toy_workers

    executor = Forgetful()
    tasks = [task(str(number)) for number in range(8)]
    done = {
        one.sample_key: scored
        for one, scored in score_stream.score_with(toy_workers.make_scorer, tasks, executor=executor)
    }
    assert executor.lost == ["4567", "45", "5"]
    assert sorted(done) == list("01234567")
    assert [key for key, scored in done.items() if scored.seconds == float("inf")] == ["5"]


class Recorder:
    """A metric of sets whose features show in which company a clip was."""

    def __init__(self) -> None:
        self.passes: list[tuple[int, ...]] = []

    def features_of(self, clips: torch.Tensor) -> torch.Tensor:
        self.passes.append(tuple(clips.shape))
        if (clips == 255).all(dim=(1, 2, 3, 4)).any():
            raise ValueError("a white clip")
        return clips.float().mean(dim=(2, 3, 4))[:, :1]


def test_every_pass_has_as_many_clips_of_one_shape(workplace):
    clips: Sequence[Any] = [clip(0), clip(1, side=20), "broken", clip(2), clip(3), clip(4)]
    recorder = Recorder()
    found = features_of_clips(recorder, clips, 3)
    assert {shape[0] for shape in recorder.passes} == {3}
    assert len(recorder.passes) == 3, "two passes of the first shape, the second filled up, and one of the other"
    assert found[2] == "broken"
    for place in (0, 1, 3, 4, 5):
        alone = features_of_clips(Recorder(), [clips[place]], 3)
        assert np.array_equal(found[place], alone[0])


def test_a_clip_that_a_network_chokes_on_is_told_from_its_company(workplace):
    white = np.full((3, 3, 16, 16), 255, np.uint8)
    found = features_of_clips(Recorder(), [clip(0), white, clip(1)], 4)
    assert found[1] == "ValueError: a white clip"
    assert not any(isinstance(found[place], str) for place in (0, 2))


def test_on_a_gpu_features_do_not_depend_on_company(workplace):
    # A GPU picks its kernels by the size of a batch. Here the CPU stands for it.
    metric = metrics.build("random_feature_distance", seeds=1, frames=3)
    clips = [clip(seed) for seed in range(5)]
    together = features_of_clips(metric, clips, 4)
    backwards = features_of_clips(metric, clips[::-1], 4)[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(together, backwards, strict=True))


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [device.choose_device(asked) for asked in ("cpu", "auto")] == ["cpu", "cpu"]
    with pytest.raises(EnvironmentUnfitError, match=r"(?s)no device 'cuda:1' here: PyTorch sees 0 GPUs.*take cpu"):
        device.choose_device("cuda:1")
    with pytest.raises(UsageError, match="a device is auto, cpu, cuda or cuda:N, got 'gpu'"):
        device.choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [device.choose_device(asked) for asked in ("auto", "cuda:1")] == ["cuda", "cuda:1"]


def test_clips_and_networks_move_to_the_device_together(workplace, monkeypatch):
    monkeypatch.setattr(ClipFile, "stream", lambda self: iter([VideoClip(frames=clip(0), fps=8.0)]))
    seen = []

    def measure(self: Any, view: ClipView) -> np.ndarray:
        seen.append(view.frames.device.type)
        return np.zeros(3)

    for name in ("flicker", "shapes_score"):
        metric = metrics.build(name)
        monkeypatch.setattr(type(metric), "measure", measure)
        one = task("0", metrics=[name])
        score_pieces({name: metric}, {}, one, read_pieces(one, with_reference=False, told=3), "meta")
    assert seen == ["cpu", "meta"], "only what a network is to see goes there"
