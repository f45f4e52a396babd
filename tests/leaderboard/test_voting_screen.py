"""What an annotator's screen is told of a pair: the protocol in the reader's language, nothing of who made a clip."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from voting_study import FPS, FRAMES, NASTY, SECRET, make_voting_study

from leaderboard.translation import LANGUAGES, Words
from leaderboard.voting import desk as desk_module
from leaderboard.voting import vote_page
from leaderboard.voting.screen import clip_file, lengths, screen_data
from stepbench.preferences.protocol import BUILT_IN


def test_every_message_has_its_words():
    source = "".join(Path(file).read_text(encoding="utf-8") for file in (desk_module.__file__, vote_page.__file__))
    keys = set(re.findall(r'(?:Notice|text)\("([a-z_]+)"', source)) | set(get_args(desk_module.State)) - {"pair"}
    keys |= {f"calibration_{how}_{side}" for how in ("right", "wrong") for side in "ab"}
    assert len(keys) > 20
    for key in keys:
        placeholder_values = {"name": "", "judged": 0, "left": 0, "cap": 0}
        assert Words("vote", "ja")(key, **placeholder_values)


@pytest.mark.parametrize("protocol", BUILT_IN)
@pytest.mark.parametrize("language", LANGUAGES)
def test_screen_shows_the_protocol_and_hides_who_made_what(tmp_path: Path, protocol: str, language: str):
    study = make_voting_study(tmp_path, protocol, real=1, gold=0, practice=0)
    assignment = study.next_pair("ann")
    data = screen_data(study, assignment, study.own_progress("ann"), Words("vote", language))
    assert [side["url"] for side in data["sides"]] == [f"clips/{assignment.assignment_id}/{x}.mp4" for x in "ab"]
    assert {(side["frames"], side["fps"], side["width"], side["height"]) for side in data["sides"]} == {
        (FRAMES, FPS, 64, 48)
    }
    assert lengths(study, assignment) == (FRAMES / FPS, FRAMES / FPS)
    assert data["prompt"] == NASTY
    assert [question["id"] for question in data["questions"]] == [q.id for q in study.protocol.questions]
    for question in data["questions"]:
        assert len(question["anchors"]) == (5 if question["form"] == "rating" else 0)
    keys = dict(data["keys"])
    assert ("1 … 5" in keys) == bool(study.protocol.ratings)
    assert ("T" in keys) == bool(study.protocol.pairwise)
    text = json.dumps(data)
    assert SECRET not in text
    pairs = study.pairs().iloc[0]
    for number in "12":
        for name in ("run", "sample_key", "clip", "clip_sha256", "model"):
            assert str(pairs[f"{name}_{number}"]) not in text
    study.close()


def test_only_files_in_the_studys_own_clips_are_found(tmp_path: Path):
    study = make_voting_study(tmp_path, real=1, gold=0, practice=0)
    clip = study.pairs().iloc[0]["clip_1"]
    assert clip_file(study, clip) == (study.folder / clip).resolve()
    (study.folder / "clips" / "link.mp4").symlink_to(study.folder / "study.sqlite")
    for other in (
        None,
        "study.sqlite",
        "clips/../study.sqlite",
        "/etc/passwd",
        "https://x/y.mp4",
        "clips/link.mp4",
        "clips",
    ):
        assert clip_file(study, other) is None
    study.close()


def test_own_progress_counts_all_kinds_alike(tmp_path: Path):
    study = make_voting_study(tmp_path, real=2, gold=1, practice=1)
    assert (study.own_progress("ann").judged, study.own_progress("ann").left, study.own_progress("ann").practice) == (
        0,
        3,
        1,
    )
    seen = []
    while (assignment := study.next_pair("ann")) is not None:
        study.vote(assignment, "a")
        progress = study.own_progress("ann")
        seen.append((progress.practised, progress.judged, progress.left))
    assert seen == [(1, 0, 3), (1, 1, 2), (1, 2, 1), (1, 3, 0)]
    study.close()
