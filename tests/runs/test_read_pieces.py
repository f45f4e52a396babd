"""Clips and their references in step, in pieces of any size: the rows are those of whole clips, whatever is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import metrics
from metrics import ClipView, score_view
from stepbench.canonical import sha256_file
from stepbench.records import Prompt
from stepbench.runs.metric_set import choose_metrics
from stepbench.runs.read_pieces import read_ahead
from stepbench.runs.score_stream import run_scoring
from stepbench.runs.score_worker import ClipFile, ScoredClip, ScoreTask
from stepbench.video import VideoError, read_clip, write_master

PROMPTS = [Prompt(id="p", text="p", language="en", category="c")]
CHOSEN = choose_metrics(
    ["psnr", "flicker", "shapes_score", "random_feature_distance"], PROMPTS, reference_hash="0" * 64
)
OF_CLIPS = {one.metric_id: one.name for one in CHOSEN if not one.feature_id}
(OF_SETS,) = (one.feature_id for one in CHOSEN if one.feature_id)
PROMPT = "A small red square stays still on a black background."


def noise(seed: int, frames: int = 40, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 3, side, side), dtype=np.uint8)


def written(path: Path, frames: np.ndarray) -> ClipFile:
    write_master(path, frames, 8)
    return ClipFile(path=path, sha256=sha256_file(path))


def cut(file: ClipFile) -> ClipFile:
    """The file without its second half, recorded as it is."""
    data = file.path.read_bytes()
    file.path.write_bytes(data[: len(data) // 2])
    return ClipFile(path=file.path, sha256=sha256_file(file.path))


def scored(clip: ClipFile, reference: ClipFile | None = None) -> ScoredClip:
    task = ScoreTask(
        sample_key="k", clip=clip, prompt=PROMPT, metrics=list(OF_CLIPS), features=[OF_SETS], reference=reference
    )
    ((_, done),) = run_scoring(CHOSEN, [task])
    return done


def by_name(done: ScoredClip) -> dict[str, dict[str, Any]]:
    return {OF_CLIPS[row["metric_id"]]: row for row in done.rows}


@pytest.fixture(params=[1, 7 * 768, 1 << 20], ids=["4 frames", "7 frames", "whole"])
def piece_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepbench.video.read.CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("piece_size")
def test_rows_and_features_are_those_of_whole_clips(tmp_path: Path):
    ours, theirs = noise(1), noise(2)
    done = scored(written(tmp_path / "a.mkv", ours), written(tmp_path / "b.mkv", theirs))
    built = {name: metrics.build(name) for name in OF_CLIPS.values()}
    view = ClipView(torch.from_numpy(ours), torch.from_numpy(theirs), PROMPT, fps=8)
    expected = {name: score.value for name, score in score_view(view, built).items()}
    assert {name: row["value"] for name, row in by_name(done).items()} == expected
    features = metrics.build("random_feature_distance").features_of(torch.from_numpy(ours)[None])
    assert np.array_equal(done.features[OF_SETS], features[0].numpy())


@pytest.mark.usefixtures("piece_size")
def test_a_file_that_breaks_half_way_fails_every_metric_with_what_the_reader_says(tmp_path: Path):
    broken = cut(written(tmp_path / "a.mkv", noise(1)))
    with pytest.raises(VideoError) as whole:
        read_clip(broken.path)
    done = scored(broken, written(tmp_path / "b.mkv", noise(2)))
    assert {(row["status"], row["value"], row["error"]) for row in done.rows} == {("failed", None, whole.value.message)}
    assert len(done.rows) == len(OF_CLIPS)
    assert done.no_features == {OF_SETS: whole.value.message}


@pytest.mark.usefixtures("piece_size")
def test_a_reference_that_breaks_half_way_fails_what_compares_with_it(tmp_path: Path):
    broken = cut(written(tmp_path / "b.mkv", noise(2)))
    rows = by_name(scored(written(tmp_path / "a.mkv", noise(1)), broken))
    assert rows["psnr"]["error"].startswith("reference clip: b.mkv: ")
    assert [rows[name]["status"] for name in ("psnr", "flicker", "shapes_score")] == ["failed", "ok", "ok"]


@pytest.mark.usefixtures("piece_size")
@pytest.mark.parametrize(("frames", "side"), [(40, 24), (33, 16), (58, 16), (3, 16)])
def test_a_reference_of_another_shape_is_told_by_both_shapes(tmp_path: Path, frames: int, side: int):
    other = written(tmp_path / "b.mkv", noise(2, frames, side))
    rows = by_name(scored(written(tmp_path / "a.mkv", noise(1)), other))
    assert f"got ({frames}, 3, {side}, {side}) for a clip (40, 3, 16, 16)" in rows["psnr"]["error"]
    assert rows["flicker"]["status"] == "ok"


@pytest.mark.parametrize("seems", [3, 39, 41, None])
def test_a_clip_with_other_frames_than_it_seemed_is_read_once_more(tmp_path, monkeypatch, seems: int | None):
    clip, reference = written(tmp_path / "a.mkv", noise(1)), written(tmp_path / "b.mkv", noise(2))
    right = scored(clip, reference)

    def count(path: Path) -> int:
        if seems is None:
            raise VideoError("cannot be told", hint="read it")
        return seems

    monkeypatch.setattr("stepbench.video.count_frames", count)
    again = scored(clip, reference)
    assert again.rows == right.rows
    assert np.array_equal(again.features[OF_SETS], right.features[OF_SETS])


def test_what_goes_wrong_ahead_is_raised_in_its_turn():
    threads = set()

    def items() -> Iterator[int]:
        threads.add(threading.current_thread())
        yield 1
        yield 2
        raise OSError("gone")

    source = read_ahead(items())
    assert [next(source), next(source)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(source)
    assert threading.main_thread() not in threads
    assert list(read_ahead([])) == []
