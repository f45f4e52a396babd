"""Built-in protocols are complete in three languages; a user's own is checked key by key."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from stepbench.preferences.errors import StudyError
from stepbench.preferences.protocol import BUILT_IN, Protocol, Words, load_protocol, parse_protocol, protocol_sha256

DIMENSIONS = ["instruction_following", "motion_smoothness", "physical_plausibility", "aesthetic_appeal"]
MINIMAL = """
name = "mine"
version = "1"
title = { en = "Mine" }
instructions = { en = "Look." }
[[questions]]
id = "overall"
form = "pairwise"
choices = ["a", "b"]
text = { en = "Which?" }
"""


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_protocols_speak_three_languages(name: str) -> None:
    protocol, text = load_protocol(name)
    assert protocol.name == name
    found: list[Words] = [protocol.title, protocol.instructions]
    for question in protocol.questions:
        found += [question.text, *question.anchors]
    found += [reason.text for reason in protocol.reasons]
    assert all(words.en and words.zh and words.ja for words in found)
    assert len({words.en for words in found}) == len(found), "two texts are the same"
    assert protocol_sha256(text) == protocol_sha256(load_protocol(name)[1])


def test_questions_of_the_built_in_protocols() -> None:
    forms = {name: [(q.id, q.form) for q in load_protocol(name)[0].questions] for name in BUILT_IN}
    rated, compared = [(d, "rating") for d in DIMENSIONS], [(d, "pairwise") for d in DIMENSIONS]
    overall = ("overall", "pairwise")
    assert forms == {
        "step-video": [overall, *rated],
        "pairwise": [overall],
        "pairwise-dimensions": [overall, *compared],
        "likert": rated,
    }
    step_video = load_protocol("step-video")[0]
    assert step_video.main_question is not None
    assert step_video.main_question.choices == ["a", "b", "tie"], "the report has win, tie and loss"
    assert load_protocol("likert")[0].main_question is None


def test_a_minimal_protocol_gets_the_defaults() -> None:
    protocol = parse_protocol(MINIMAL)
    assert (protocol.target_votes, protocol.repeat_distance, protocol.lease_minutes) == (3, 20, 10)
    assert protocol.exclusion.gold_pass_rate == 0.8
    words = Words(en="one", zh="一")
    assert [words.in_language(code) for code in ("zh", "zh-Hans", "ja", "de")] == ["一", "一", "one", "one"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("target_vote = 3", r"unknown key 'target_vote'; did you mean target_votes\?"),
        ("[exclusion]\ngold_pass = 0.5", r"unknown key 'exclusion.gold_pass'; did you mean gold_pass_rate\?"),
        ("[[reasons]]\nid = 'x'\ntext = {en = 'x'}\nnote = 'y'", r"unknown key 'reasons.0.note'; did you mean"),
        ("[[reasons]]\nid = 'x'\ntext = {en = 'x', jp = 'y'}", r"unknown key 'reasons.0.text.jp'; did you mean"),
        ("target_votes = 0", r"target_votes: greater than or equal to 1, got 0"),
        ("target_votes = '3'", r"target_votes: a valid integer, got '3'"),
        ("gold_share = 1.5", r"gold_share: less than or equal to 1, got 1.5"),
        ("lease_minutes = nan", r"lease_minutes: .*finite"),
        ("[[questions]]\nid = 'overall'\nform = 'pairwise'\nchoices = ['a', 'b']\ntext = {en = 'x'}", "is used twice"),
        ("[[questions]]\nid = 'x'\nform = 'rating'\ntext = {en = 'x'}", "has five anchors"),
        ("[[questions]]\nid = 'x'\nform = 'pairwise'\nchoices = ['a']\ntext = {en = 'x'}", "hold at least a and b"),
        ("[[questions]]\nid = 'X y'\nform = 'pairwise'\nchoices = ['a', 'b']\ntext = {en = 'x'}", "questions.1.id"),
        ("title = {", "not TOML"),
    ],
)
def test_bad_protocols_are_refused(change: str, message: str) -> None:
    head, questions = MINIMAL.split("[[questions]]", 1)
    top, table = (change, "") if not change.startswith("[") else ("", change)
    with pytest.raises(StudyError, match=message):
        parse_protocol(f"{head}\n{top}\n[[questions]]{questions}\n{table}")


def test_missing_keys_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="missing key 'instructions'"):
        parse_protocol(MINIMAL.replace('instructions = { en = "Look." }', ""))
    with pytest.raises(StudyError, match="neither built in nor a file") as refused:
        load_protocol("pairwise-dimension")
    assert "did you mean pairwise-dimensions" in str(refused.value)
    (tmp_path / "latin.toml").write_bytes("name = 'ü'".encode("latin-1"))
    with pytest.raises(StudyError, match="not UTF-8"):
        load_protocol(tmp_path / "latin.toml")
    (tmp_path / "mine.toml").write_text(MINIMAL, encoding="utf-8")
    assert load_protocol(tmp_path / "mine.toml")[0] == Protocol.model_validate(tomllib.loads(MINIMAL))
