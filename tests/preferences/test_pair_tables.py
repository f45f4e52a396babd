"""Pairs from tables of any origin: the fewest columns that do, ids that tell nothing, rows that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stepbench.preferences import Pair, Study
from stepbench.preferences.errors import StudyError
from stepbench.preferences.pair_table import read_pairs
from stepbench.video import VideoError, probe, write_master, write_preview

ROW = {"prompt_id": "p", "text": "a toy", "model_1": "m", "model_2": "n", "clip_1": "x.mp4", "clip_2": "y.mp4"}


def test_data_frames_dicts_and_either_spelling_give_the_same_pairs() -> None:
    from_dicts = read_pairs([ROW, ROW | {"prompt_id": "q"}])
    renamed = pd.DataFrame([ROW, ROW | {"prompt_id": "q"}]).rename(columns=lambda name: name.replace("_1", "_a"))
    assert read_pairs(renamed.rename(columns=lambda name: name.replace("_2", "_b"))) == from_dicts
    assert read_pairs(from_dicts) == from_dicts
    assert len({pair.pair_id for pair in from_dicts}) == 2
    assert not any(word in pair.pair_id for pair in from_dicts for word in ("m", "n", "toy"))


def test_two_clips_of_one_model_are_a_pair() -> None:
    assert read_pairs([ROW | {"model_2": "m"}, ROW | {"model_2": "m", "clip_2": "x.mp4", "seed_1": 3, "seed_2": 4}])


def test_numbers_of_data_frames_become_plain_ones_and_gaps_none() -> None:
    frame = pd.DataFrame([ROW | {"seed_1": 3, "fps_1": 8}, ROW | {"prompt_id": "q", "seed_1": np.nan, "fps_1": np.nan}])
    first, second = read_pairs(frame)
    assert (first.seed_1, first.fps_1, second.seed_1, second.fps_1) == (3, 8.0, None, None)
    assert type(first.seed_1) is int


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_1": None}, "pair 0 lacks model_1"),
        ({"promptid": "p"}, "unknown column 'promptid'"),
        ({"model_a": "m"}, "has 'model_1' twice"),
        ({"seed_1": 1.5}, "seed_1 must be a whole number, got 1.5"),
        ({"seed_1": "one"}, "seed_1 must be a number, got 'one'"),
        ({"kind": "silver"}, "kind must be one of real, gold, repeat, calibration, got 'silver'"),
        ({"kind": "gold"}, "a gold pair says which clip"),
        ({"kind": "repeat"}, "a repeat says which pair"),
        ({"expected": "a"}, 'expected must be "1" or "2"'),
        ({"model_2": "m", "clip_2": "x.mp4"}, "a clip of model 'm' is compared with itself"),
        ({"model_2": "m", "clip_2": "x.mp4", "seed_1": 3, "seed_2": 3}, "a clip of model 'm' is compared with itself"),
        ({"target_votes": 0}, "target_votes must be at least 1, got 0"),
        ({"propensity": 0.0}, "propensity must be above 0"),
        ({"pair_id": "x" * 101}, "pair_id must have 1 to 100 characters"),
    ],
)
def test_rows_that_cannot_be_used_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        read_pairs([ROW | change])


def test_the_same_pair_twice_is_refused_and_added_again_is_ignored(make_study: Callable[..., Study]) -> None:
    with pytest.raises(StudyError, match=r"pair 1 has the id .* of pair 0"):
        read_pairs([ROW, ROW])
    study = make_study([ROW])
    assert study.add_pairs([ROW, ROW | {"prompt_id": "q"}], target_votes=5) == 1
    assert study.pairs().target_votes.tolist() == [3, 5]
    with pytest.raises(StudyError, match="target_votes must be at least 1, got 0"):
        study.add_pairs([], target_votes=0)


def test_clip_files_get_names_and_tags_that_tell_nothing(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 3, 32, 32), dtype=np.uint8)
    write_master(tmp_path / "secret-model.mkv", frames, 12.0)
    write_preview(tmp_path / "other-model.mp4", frames[::-1], 12.0)
    clips = {"clip_1": str(tmp_path / "secret-model.mkv"), "clip_2": str(tmp_path / "other-model.mp4")}
    study = Study.create(tmp_path / "study", [ROW | clips | {"model_1": "secret-model"}])
    row = study.pairs().iloc[0]
    assert (row.frames_1, row.fps_1, row.frames_2) == (6, 12.0, 6)
    for name in (row.clip_1, row.clip_2):
        path = study.clip_path(name)
        assert isinstance(path, Path)
        assert probe(path).codec == "h264"
        assert b"secret" not in path.read_bytes()
        assert "model" not in name
    assignment = study.next_pair("ann")
    assert "model" not in repr(assignment)
    # A second study of the same clips names them alike: names are made from what is shown.
    assert Study.create(tmp_path / "again", [ROW | clips]).pairs().clip_1[0] == row.clip_1
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match="not a readable video"):
        study.add_pairs([ROW | {"clip_1": str(tmp_path / "broken.mp4"), "prompt_id": "r"}])


def test_addresses_stay_as_they_are(make_study: Callable[..., Study]) -> None:
    study = make_study([Pair(pair_id="x", prompt_id="p", model_1="m", model_2="n", clip_1="https://host/1.mp4")])
    assignment = study.next_pair("ann")
    assert assignment is not None
    assert {assignment.left, assignment.right} == {"https://host/1.mp4", None}
    assert study.clip_path("https://host/1.mp4") == "https://host/1.mp4"
