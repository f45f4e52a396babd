"""The records, and the keys that are made from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError

import pytest

from stepbench.errors import (
    EnvironmentUnfitError,
    ExitCode,
    IncompleteError,
    NotComparableError,
    NothingSelectedError,
    RunFolderError,
    StepbenchError,
    SuiteError,
    UsageError,
)
from stepbench.records import SAFE_ID, GeneratorCard, Prompt, Suite, SuiteCard
from stepbench.runs.plan import common_settings, make_plan, sample_key

CARD = SuiteCard(
    name="s",
    version="1",
    title="",
    licence="",
    languages=("en",),
    source="",
    citation="",
    defaults={"frames": 5, "fps": 8},
)
PROMPTS = (
    Prompt(id="p1", text="one", language="en", category="a"),
    Prompt(id="p2", text="two", language="en", category="a"),
)
SUITE = Suite(card=CARD, prompts=PROMPTS)


class Recorder:
    """A generator that resolves every setting it is offered."""

    card = GeneratorCard(name="recorder", revision="1", weights_hash="abc", defaults={"fps": 12, "steps": 30})

    def resolve(self, prompt, seed, settings):
        return {**settings, "for": prompt.id} if "each" in settings else dict(settings)

    def generate(self, request):
        raise NotImplementedError


def keys(suite=SUITE, seeds=(0, 1), **settings):
    return [sample.key for sample in make_plan(suite, suite.prompts, Recorder(), seeds, settings).samples]


def test_records_are_frozen():
    with pytest.raises(FrozenInstanceError):
        PROMPTS[0].text = "other"


def test_absent_fields_of_a_prompt_are_left_out():
    assert PROMPTS[0].to_json() == {"id": "p1", "text": "one", "language": "en", "category": "a"}
    full = Prompt(id="p", text="t", language="en", category="a", tags=("x",), split="test", ground_truth={"a": 1})
    assert full.to_json()["tags"] == ["x"]
    assert Prompt(**{**full.to_json(), "tags": tuple(full.to_json()["tags"])}) == full


@pytest.mark.parametrize("text", ["p1", "A-b_c.d", "0", "x" * 100])
def test_safe_ids(text):
    assert SAFE_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["", "-a", ".a", "a/b", "a b", "ü", "a\n", "x" * 101])
def test_unsafe_ids(text):
    assert not SAFE_ID.fullmatch(text)


def test_a_plan_goes_prompt_by_prompt_and_settings_from_suite_to_card_to_override():
    plan = make_plan(SUITE, PROMPTS, Recorder(), [3, 1], {"steps": 20})
    assert [(sample.prompt.id, sample.seed) for sample in plan.samples] == [("p1", 3), ("p1", 1), ("p2", 3), ("p2", 1)]
    assert plan.samples[0].settings == {"frames": 5, "fps": 12, "steps": 20}


def test_the_sample_key_is_the_hash_of_what_decides_the_clip():
    settings = {"fps": 8, "negative_prompt": "blurry"}
    spelled = {
        "generator": Recorder.card.identity,
        "prompt": "one",
        "negative_prompt": "blurry",
        "seed": 3,
        "settings": {"fps": 8},
    }
    text = json.dumps(spelled, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert sample_key(Recorder.card.identity, "one", 3, settings) == expected


def test_keys_depend_on_text_seed_and_settings_and_on_nothing_else():
    assert len({*keys()}) == 4
    assert keys() == keys()
    assert not {*keys()} & {*keys(steps=31)}
    assert not {*keys()} & {*keys(negative_prompt="blurry")}
    renamed = Suite(
        card=CARD,
        prompts=tuple(
            Prompt(id=f"q{p.id}", text=p.text, language="en", category="other", tags=("x",)) for p in PROMPTS
        ),
    )
    assert keys(renamed) == keys()


def test_the_plan_hash_follows_the_suite_and_the_samples():
    def plan_hash(suite=SUITE, seeds=(0,), **settings):
        return make_plan(suite, suite.prompts, Recorder(), seeds, settings).hash

    assert plan_hash() == plan_hash()
    other_version = Suite(card=SuiteCard(**{**vars(CARD), "version": "2"}), prompts=PROMPTS)
    hashes = {plan_hash(), plan_hash(seeds=(1,)), plan_hash(steps=1), plan_hash(other_version)}
    assert len(hashes) == 4


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_impossible_seeds_are_refused(seeds):
    with pytest.raises(StepbenchError, match="seeds must be different numbers from 0 up"):
        make_plan(SUITE, PROMPTS, Recorder(), seeds, {})


def test_a_seed_that_tables_and_models_cannot_hold_is_refused():
    make_plan(SUITE, PROMPTS, Recorder(), [2**63 - 1], {})
    with pytest.raises(StepbenchError, match=r"a seed is at most 9223372036854775807 .*, got 9223372036854775808"):
        make_plan(SUITE, PROMPTS, Recorder(), [0, 2**63], {})


def test_common_settings_are_those_equal_in_all_samples():
    plan = make_plan(SUITE, PROMPTS, Recorder(), [0], {"each": True})
    assert common_settings(plan.samples) == {"frames": 5, "fps": 12, "steps": 30, "each": True}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, 2),
        (SuiteError, 2),
        (RunFolderError, 2),
        (IncompleteError, 3),
        (NotComparableError, 4),
        (NothingSelectedError, 5),
        (EnvironmentUnfitError, 12),
    ],
)
def test_errors_carry_exit_code_and_hint(error, code):
    raised = error("rule and value", hint="way out")
    assert (raised.exit_code, int(raised.exit_code), str(raised)) == (
        ExitCode(code),
        code,
        "rule and value\n  hint: way out",
    )
    assert str(error("alone")) == "alone"
