"""Any folder of clips: scores, conditions, and manifests that can train a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from metrics import registry
from stepbench.clip_scores import Condition, parse_conditions, score_folder
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.reference_clips import write_reference_set
from stepbench.training.manifest import read_manifest
from stepbench.video import write_master


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def folder(tmp_path):
    """A clip that stands still, one that flickers, one that is broken."""
    clips = tmp_path / "clips"
    (clips / "sub").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, size=(3, 32, 32), dtype=np.uint8)
    still = np.repeat(noise[None], 4, axis=0)
    write_master(clips / "still.mkv", still, 8)
    write_master(clips / "sub" / "flickers.mkv", still * np.array([1, 0, 1, 0], np.uint8)[:, None, None, None], 8)
    (clips / "broken.mp4").write_bytes(b"no video")
    return clips


def test_clips_are_told_apart_by_their_scores(folder, tmp_path):
    found = score_folder(folder, tmp_path / "out.jsonl", metrics=["flicker"], where=parse_conditions("flicker<0.1"))
    assert found.scores["still.mkv"] == {"flicker": 0.0}
    assert found.scores["sub/flickers.mkv"]["flicker"] > 0.3
    assert found.scores["broken.mp4"] == {"flicker": None}
    assert lines(tmp_path / "out.jsonl") == found.accepted == [{"file": "still.mkv"}]
    rejected = {row["file"]: row["reasons"] for row in lines(tmp_path / "out.rejected.jsonl")}
    assert list(rejected) == ["broken.mp4", "sub/flickers.mkv"]
    assert "wanted flicker<0.1" in rejected["sub/flickers.mkv"][0]
    assert "not a readable video" in rejected["broken.mp4"][0]


def test_a_second_call_scores_only_what_is_new(folder, tmp_path, monkeypatch):
    score_folder(folder, tmp_path / "out.jsonl", metrics=["flicker"])
    before = lines(tmp_path / "out.scores.jsonl")
    (folder / "broken.mp4").unlink()
    again = score_folder(folder, tmp_path / "out.jsonl", metrics=["flicker"], where=parse_conditions("sharpness > 0"))
    rows = lines(tmp_path / "out.scores.jsonl")
    assert rows[: len(before)] == before
    assert {row["metric_id"].partition("@")[0] for row in rows[len(before) :]} == {"sharpness"}
    assert set(again.scores["still.mkv"]) == {"flicker", "sharpness"}
    assert len(again.accepted) == 2
    # A clip that changed is scored anew.
    write_master(folder / "still.mkv", np.zeros((4, 3, 32, 32), np.uint8), 8)
    changed = score_folder(folder, tmp_path / "out.jsonl", metrics=["sharpness"])
    assert changed.scores["still.mkv"]["sharpness"] == 0


def test_the_accepted_rows_are_a_manifest_for_training(folder, tmp_path):
    (folder / "captions.jsonl").write_text(
        '{"file": "still.mkv", "captions": ["a still", "静止"], "fps": 8.0, "split": "test"}\n'
        '{"file": "sub/flickers.mkv", "caption": "flicker"}\n',
        encoding="utf-8",
    )
    score_folder(folder, tmp_path / "out.jsonl", metrics=["flicker"], where=[Condition("flicker", "<=", 0.1)])
    (tmp_path / "out.jsonl").replace(folder / "captions.jsonl")
    (row,), problems = read_manifest(folder, captions_needed=True)
    assert not problems
    assert (str(row.file), row.captions, row.fps, row.split) == ("still.mkv", ("a still", "静止"), 8.0, "test")


def test_without_conditions_everything_readable_is_accepted(folder, tmp_path):
    found = score_folder(folder, tmp_path / "out.jsonl", metrics=None, workers=2)
    assert [row["file"] for row in found.accepted] == ["still.mkv", "sub/flickers.mkv"]
    assert "no metric has a value" in found.rejected[0]["reasons"][0]


def test_conditions():
    text = "Sharpness >= 1e2 and warping-error<.5,flicker>-1"
    assert [str(one) for one in parse_conditions(text)] == ["sharpness>=100", "warping_error<0.5", "flicker>-1"]
    assert [one.holds(0.5) for one in parse_conditions("a>0.5,a>=0.5,a<0.5,a<=0.5")] == [False, True, False, True]


@pytest.mark.parametrize("text", ["", "flicker", "flicker=1", "flicker<", "flicker<1 or flicker>2", "flicker<1.2.3"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UsageError, match="a condition is METRIC, one of >= <= > <, and a number"):
        parse_conditions(text)


def test_bad_input(folder, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    with pytest.raises(UsageError, match="no run and no folder of clips"):
        score_folder(tmp_path / "nowhere", out, metrics=None)
    with pytest.raises(UsageError, match="metric 'psnr' needs reference, and a folder gives one clip at a time"):
        score_folder(folder, out, metrics=["psnr"])
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(UsageError, match=r"'subject_consistency' is unavailable: .*stepbench weights pull dino-vitb16"):
        score_folder(folder, out, metrics=["subject_consistency"])
    with pytest.raises(UsageError, match="no metric is called 'flickr'"):
        score_folder(folder, out, metrics=["flickr"])
    with pytest.raises(NothingSelectedError, match="holds neither a run nor a video"):
        score_folder(_empty(tmp_path), out, metrics=None)
    with pytest.raises(NothingSelectedError, match="no metric is asked for"):
        score_folder(folder, out, metrics=[])
    (folder / "captions.jsonl").write_text('{"caption": "no file"}\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be carried over: .*missing key 'file'"):
        score_folder(folder, out, metrics=["flicker"])
    assert not out.exists()


def test_a_condition_is_about_the_metric_that_is_asked_for_with_its_options(folder, tmp_path):
    shutil.copy(folder / "still.mkv", folder / "copy.mkv")
    write_reference_set(folder / "sub", tmp_path / "reference")
    (folder / "broken.mp4").unlink()
    asked = f'near-duplicate(reference="{tmp_path / "reference"}", threshold=0.999)'
    found = score_folder(folder, tmp_path / "out.jsonl", metrics=[asked], where=parse_conditions("near_duplicate<1"))
    assert {row["file"] for row in found.accepted} == {"still.mkv", "copy.mkv"}
    assert found.rejected == [{"file": "sub/flickers.mkv", "reasons": ["near_duplicate is 1, wanted near_duplicate<1"]}]


def test_a_condition_names_a_metric_as_the_registry_does(folder, tmp_path, monkeypatch):
    entry = registry.MetricEntry("change", "metrics.flicker:Flicker", "another package")
    monkeypatch.setattr(registry, "METRICS", {**registry.METRICS, "change": entry})
    found = score_folder(folder, tmp_path / "out.jsonl", metrics=[], where=parse_conditions("change<0.1"))
    assert [row["file"] for row in found.accepted] == ["still.mkv"]
    assert set(found.scores["still.mkv"]) == {"flicker"}


def _empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_the_command(folder, stepbench):
    result = stepbench("score", str(folder), "--where", "flicker<0.1", "--manifest", "kept.jsonl", "--json")
    assert result.code == 3
    rows = {row["file"]: row for row in result.records()}
    assert rows["still.mkv"]["accepted"]
    assert not rows["broken.mp4"]["accepted"]
    assert "1 of 3 clips accepted; kept.scores.jsonl, kept.jsonl, kept.rejected.jsonl" in result.err
    (folder / "broken.mp4").unlink()
    result = stepbench("score", str(folder), "-m", "flicker", "--where", "flicker>2", "--manifest", "kept.jsonl")
    assert result.code == 5
    assert "median" in result.out
    assert stepbench("score", str(folder), "--recompute").code == 2
    assert stepbench("score", "nowhere", "--where", "flicker<1").code == 2
