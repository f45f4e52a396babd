"""The suite format: every broken rule is named with its file and line, and the hash follows what decides a result."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.errors import SuiteError
from stepbench.records import Prompt, Suite, SuiteCard
from stepbench.suites.format import inspect_suite, read_suite, write_suite

CARD = SuiteCard(
    name="mini",
    version="1",
    title="Mini",
    licence="CC0-1.0",
    languages=("en", "zh"),
    source="made for tests",
    citation="none",
    defaults={"frames": 5, "fps": 7.5, "negative_prompt": "blurry", "loop": True, "size": [32, 32]},
)
PROMPTS = (
    Prompt(id="p1", text="a red circle", language="en", category="shapes", pair_id="one", tags=("easy",), split="test"),
    Prompt(id="p2", text="一个红色的圆", language="zh", category="shapes", pair_id="one"),
    Prompt(
        id="p3", text="rain", language="en", category="weather", ground_truth={"drops": [1, 2.5, None, {"a": True}]}
    ),
)


@pytest.fixture
def suite(tmp_path):
    write_suite(tmp_path / "mini", CARD, PROMPTS)
    return tmp_path / "mini"


def change_line(suite, number, **fields):
    path = suite / "prompts.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[number - 1]) | fields
    lines[number - 1] = json.dumps(
        {name: value for name, value in row.items() if value != "DELETE"}, ensure_ascii=False
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def problems_of(suite):
    loaded, problems = inspect_suite(suite)
    assert (loaded is None) is bool(problems)
    return [problem.replace(f"{suite}/", "") for problem in problems]


def test_a_suite_comes_back_as_it_was_written(suite):
    read = read_suite(suite)
    assert read == Suite(card=CARD, prompts=PROMPTS)
    assert (read.folder, read.name, len(read)) == (suite, "mini", 3)
    assert problems_of(suite) == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
VALUES = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), TEXT)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(TEXT, min_size=1, max_size=4),
    title=TEXT,
    split=st.sampled_from(["train", "test", None]),
    defaults=st.dictionaries(TEXT, VALUES | st.lists(VALUES, max_size=3), max_size=4),
)
def test_any_text_comes_back_as_it_was_written(tmp_path_factory, texts, title, split, defaults):
    folder = tmp_path_factory.mktemp("suite")
    card = replace(CARD, title=title, citation=title, default_split=split, defaults=defaults)
    prompts = tuple(
        Prompt(id=f"p{number}", text=text, language="zh", category=text, tags=(text,), split=split)
        for number, text in enumerate(texts)
    )
    write_suite(folder, card, prompts)
    assert read_suite(folder) == Suite(card=card, prompts=prompts)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": "p1"}, "duplicate id 'p1', first used on line 1"),
        ({"id": "P1"}, "duplicate id 'P1', first used on line 1"),
        ({"id": "../p"}, "id: unsafe id '../p': use 1 to 100 of A-Z a-z 0-9 . _ - and start with a letter or digit"),
        ({"id": ".hidden"}, "id: unsafe id '.hidden'"),
        ({"id": "a b"}, "id: unsafe id 'a b'"),
        ({"id": "a\n"}, "id: unsafe id 'a\\n'"),
        ({"id": "x" * 101}, "id: unsafe id 'xxx"),
        ({"id": ""}, "id: unsafe id ''"),
        ({"id": 7}, "id: Input should be a valid string"),
        ({"id": "DELETE"}, "missing key 'id'"),
        ({"text": " \t"}, "text: empty text"),
        ({"text": None}, "text: Input should be a valid string"),
        ({"text": "DELETE"}, "missing key 'text'"),
        ({"language": "fr"}, "language 'fr' is not in the card's languages ['en', 'zh']"),
        ({"language": "e"}, "language: String should have at least 2 characters"),
        ({"category": ""}, "category: String should have at least 1 character"),
        ({"split": "dev"}, "split: Input should be 'train' or 'test'"),
        ({"tags": "easy"}, "tags: Input should be a valid list"),
        ({"tags": [1]}, "tags.0: Input should be a valid string"),
        ({"ground_truth": [1]}, "ground_truth: Input should be a valid dictionary"),
        ({"ground_truth": {"x": float("nan")}}, "not JSON: Out of range float values are not JSON compliant"),
        ({"prompt": "a red circle"}, "unknown key 'prompt'"),
    ],
)
def test_every_broken_rule_of_a_prompt_is_named_with_its_line(suite, fields, problem):
    change_line(suite, 2, **fields)
    (found,) = problems_of(suite)
    assert found.startswith("prompts.jsonl:2: ")
    assert problem in found


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "p2", "text": "x"', "not JSON: Expecting ',' delimiter at column 25"),
        (b'{"id": "p2", "text": "\xff"}', "not UTF-8: invalid start byte at byte 22 of the line"),
        ('{"id": "ü"}'.encode("utf-16"), "not UTF-8"),
        ('\ufeff{"id": "p2"}'.encode(), "not JSON: Unexpected UTF-8 BOM"),
        (b"[1, 2]", "a JSON object was expected, got list"),
        (b'"text"', "a JSON object was expected, got str"),
        (b'{"id": "p2", "text": "\\ud800", "language": "en", "category": "a"}', "half a surrogate pair"),
        (b"[" * 200_000, "not JSON: maximum recursion depth exceeded"),
    ],
)
def test_lines_that_are_no_json_are_named(suite, line, problem):
    path = suite / "prompts.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, lines[2]]) + b"\n")
    (found, *_) = problems_of(suite)
    assert found.startswith("prompts.jsonl:2: ")
    assert problem in found


def test_blank_lines_and_windows_line_ends_are_fine_and_counted(suite):
    path = suite / "prompts.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\r\n".join([b"", lines[0], b"  ", lines[1], b"nonsense"]) + b"\r\n")
    assert [problem.split(": ")[0] for problem in problems_of(suite)] == ["prompts.jsonl:5"]
    path.write_bytes(b"\r\n".join([b"", *lines]) + b"\r\n")
    assert read_suite(suite) == Suite(card=CARD, prompts=PROMPTS)


@pytest.mark.parametrize(
    ("find", "put", "problem"),
    [
        ('name = "mini"', 'name = "mi/ni"', "name: unsafe name 'mi/ni'"),
        ('name = "mini"\n', "", "missing key 'name'"),
        ('version = "1"', "version = 1", "version: Input should be a valid string"),
        ('title = "Mini"', 'titel = "Mini"', "unknown key 'titel'"),
        ('title = "Mini"', 'title = "Mini', "not TOML: "),
        ('languages = ["en", "zh"]', "languages = []", "languages: List should have at least 1 item"),
        ('languages = ["en", "zh"]', 'languages = "en"', "languages: Input should be a valid list"),
        (
            "fps = 7.5",
            "fps = nan",
            "defaults: fps must be a text, a finite number, true, false or a list of those, got nan",
        ),
        ("fps = 7.5", "fps = 2024-01-01", "defaults: fps must be a text"),
        ("fps = 7.5", "fps = {a = 1}", "defaults: fps must be a text"),
        ("[defaults]", 'default_split = "dev"\n[defaults]', "default_split: Input should be 'train' or 'test'"),
    ],
)
def test_every_broken_rule_of_the_card_is_named(suite, find, put, problem):
    path = suite / "suite.toml"
    text = path.read_text(encoding="utf-8")
    assert find in text
    path.write_text(text.replace(find, put), encoding="utf-8")
    problems = problems_of(suite)
    assert any(found.startswith("suite.toml: ") and problem in found for found in problems), problems


def test_a_card_in_another_encoding_is_named(suite):
    (suite / "suite.toml").write_bytes('title = "für"'.encode("latin-1"))
    assert problems_of(suite)[0] == "suite.toml: not UTF-8: invalid start byte at byte 10"


def test_missing_and_empty_files_are_named(suite):
    (suite / "prompts.jsonl").write_text("\n", encoding="utf-8")
    assert problems_of(suite) == ["prompts.jsonl: no prompts"]
    (suite / "prompts.jsonl").unlink()
    assert problems_of(suite) == ["prompts.jsonl: missing"]
    (suite / "suite.toml").unlink()
    assert problems_of(suite)[0] == "suite.toml: missing; a suite folder holds suite.toml and prompts.jsonl"


def test_all_problems_are_found_at_once_and_twenty_are_shown(suite):
    (suite / "prompts.jsonl").write_text("nonsense\n" * 23, encoding="utf-8")
    assert len(problems_of(suite)) == 23
    with pytest.raises(SuiteError, match=r"breaks the format") as caught:
        read_suite(suite)
    assert "prompts.jsonl:20" in str(caught.value)
    assert "prompts.jsonl:21" not in str(caught.value)
    assert "... and 3 more" in str(caught.value)


SUITE = Suite(card=CARD, prompts=PROMPTS)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"licence": "MIT"},
        {"source": "elsewhere"},
        {"citation": "somebody"},
        {"description": "words"},
        {"languages": ("zh", "en")},
        {"default_split": "test"},
    ],
)
def test_the_hash_ignores_what_only_describes(change):
    assert Suite(card=replace(CARD, **change), prompts=PROMPTS).hash == SUITE.hash


@pytest.mark.parametrize("change", [{"name": "other"}, {"version": "2"}, {"defaults": {**CARD.defaults, "frames": 6}}])
def test_the_hash_follows_the_card(change):
    assert Suite(card=replace(CARD, **change), prompts=PROMPTS).hash != SUITE.hash


@pytest.mark.parametrize(
    "change",
    [
        {"id": "p9"},
        {"text": "a red  circle"},
        {"language": "zh"},
        {"category": "other"},
        {"tags": ("hard",)},
        {"tags": ()},
        {"pair_id": None},
        {"split": "train"},
        {"ground_truth": {}},
    ],
)
def test_the_hash_follows_every_field_of_every_prompt(change):
    changed = (replace(PROMPTS[0], **change), *PROMPTS[1:])
    assert Suite(card=CARD, prompts=changed).hash != SUITE.hash


def test_the_hash_follows_the_order_and_number_of_prompts_and_not_the_place(suite):
    assert Suite(card=CARD, prompts=PROMPTS[::-1]).hash != SUITE.hash
    assert Suite(card=CARD, prompts=PROMPTS[:2]).hash != SUITE.hash
    assert read_suite(suite).hash == SUITE.hash


def test_the_hash_stands_for_good():
    """Runs of earlier versions carry this hash: a change of it makes them incomparable."""
    assert SUITE.hash == "656a1008f9149b83ea13c428dc93cc4155e64050a81bd01237bcc7357947c80c"
