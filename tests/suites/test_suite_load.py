"""From what a user typed to a suite, and from a suite to the prompts of a run."""

from __future__ import annotations

import pytest

from stepbench import load_suite
from stepbench.errors import NothingSelectedError, SuiteError, UsageError
from stepbench.records import Prompt, Suite, SuiteCard
from stepbench.suites.load import select_prompts

CARD = {
    "name": "s",
    "version": "1",
    "title": "",
    "licence": "",
    "languages": ("en", "zh"),
    "source": "",
    "citation": "",
}
PROMPTS = tuple(
    Prompt(id=f"p{number}", text=str(number), language=language, category=category, split=split)
    for number, (language, category, split) in enumerate(
        [("en", "a", "train"), ("zh", "a", "test"), ("en", "b", "test"), ("zh", "b", None)]
    )
)
SUITE = Suite(card=SuiteCard(**CARD), prompts=PROMPTS)


def chosen(suite=SUITE, **selection):
    return [prompt.id for prompt in select_prompts(suite, **selection)]


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        ({}, ["p0", "p1", "p2", "p3"]),
        ({"split": "all"}, ["p0", "p1", "p2", "p3"]),
        ({"split": "test"}, ["p1", "p2", "p3"]),
        ({"split": "train"}, ["p0", "p3"]),
        ({"languages": ["zh"]}, ["p1", "p3"]),
        ({"languages": ["zh", "en"], "categories": ["a"]}, ["p0", "p1"]),
        ({"ids": ["p3", "p0"]}, ["p0", "p3"]),
        ({"limit": 2}, ["p0", "p1"]),
        ({"limit": 9}, ["p0", "p1", "p2", "p3"]),
        ({"split": "test", "languages": ["en"], "limit": 1}, ["p2"]),
    ],
)
def test_selections_keep_the_order_of_the_suite(selection, ids):
    assert chosen(**selection) == ids


def test_the_default_split_is_taken_unless_another_is_asked_for():
    suite = Suite(card=SuiteCard(**CARD, default_split="test"), prompts=PROMPTS)
    assert chosen(suite) == ["p1", "p2", "p3"]
    assert chosen(suite, split="all") == ["p0", "p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("selection", "message", "hint"),
    [
        ({"languages": ["fr"]}, "the suite has no language 'fr'", "choose from en, zh"),
        ({"categories": ["bb"]}, "the suite has no category 'bb'", "choose from b"),
        ({"ids": ["p4"]}, "the suite has no prompt id 'p4'", "choose from p"),
        ({"limit": -1}, "limit cannot be negative, got -1", "leave -L out"),
        ({"split": "dev"}, "no split 'dev'", "choose from train, test, all"),
    ],
)
def test_what_the_suite_does_not_have_is_refused(selection, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        chosen(**selection)
    assert hint in caught.value.hint


def test_an_empty_selection_is_refused():
    with pytest.raises(
        NothingSelectedError, match=r"no prompt of suite 's' is left by split=train, languages=\['zh'\]"
    ):
        chosen(Suite(card=SuiteCard(**CARD), prompts=PROMPTS[:3]), split="train", languages=["zh"])
    with pytest.raises(NothingSelectedError, match=r"no prompt of suite 's' is left.*limit=0"):
        chosen(limit=0)


def test_suites_load_by_name_by_folder_and_from_a_prompt_file(make_suite, workplace):
    assert load_suite("step-essentials").name == "step-essentials"
    folder = make_suite("one", "two")
    assert len(load_suite("mini")) == len(load_suite(folder)) == 2
    (workplace / "prompts.csv").write_text("id,prompt\na,one\nb,two\n", encoding="utf-8")
    assert [prompt.text for prompt in load_suite("prompts.csv").prompts] == ["one", "two"]


def test_a_broken_suite_folder_is_no_unknown_suite(make_suite):
    folder = make_suite("one")
    (folder / "suite.toml").unlink()
    with pytest.raises(SuiteError, match=r"suite.toml: missing; a suite folder holds suite.toml and prompts.jsonl"):
        load_suite("mini")


@pytest.mark.parametrize("name", ["step-esentials", "nothing like it", "x" * 5000, "a\0b", ""])
def test_unknown_names_are_refused_with_close_ones(workplace, name):
    with pytest.raises(UsageError, match=r"no suite|neither a suite folder nor") as caught:
        load_suite(name)
    if name == "step-esentials":
        assert caught.value.hint == "did you mean step-essentials?"
