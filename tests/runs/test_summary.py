"""The summary is a pure function of the rows, with the plan as its denominator."""

from __future__ import annotations

import json
import math

import pytest

from stepbench.records import Prompt
from stepbench.runs.summary import summarize

CARDS = {"m@1": {"name": "m", "direction": "higher", "unit": "dB"}}


def prompt(name, *, language="en", category="a", pair=None):
    return Prompt(id=name, text=name, language=language, category=category, pair_id=pair)


def made(key, outcome="ok"):
    return {"sample_key": key, "outcome": outcome, "clip_sha256": f"sha-{key}" if outcome == "ok" else None}


def score(key, value, status="ok", sha=None):
    return {"sample_key": key, "clip_sha256": sha or f"sha-{key}", "value": value, "status": status}


def summary_of(plan, rows, scores):
    return summarize(
        plan, {row["sample_key"]: row for row in rows}, {"m@1": {s["sample_key"]: s for s in scores}}, CARDS
    )


def test_seeds_are_averaged_within_a_prompt_and_the_interval_is_over_prompts():
    one, two = prompt("one"), prompt("two", category="b")
    plan = [("a", one), ("b", one), ("c", one), ("d", two)]
    found = summary_of(
        plan, [made(key) for key, _ in plan], [score("a", 1.0), score("b", 2.0), score("c", 3.0), score("d", 6.0)]
    )
    (metric,) = found["metrics"]
    # Prompt means 2 and 6: mean 4, standard error 2, t with one degree of freedom 12.7062.
    assert metric["mean"] == 4.0
    assert metric["low"] == pytest.approx(4 - 2 * 12.7062047, rel=1e-6)
    assert metric["high"] == pytest.approx(4 + 2 * 12.7062047, rel=1e-6)
    assert (metric["n_units"], metric["n_scored"]) == (2, 4)
    assert metric["by_category"]["a"]["mean"] == 2.0
    assert metric["by_category"]["a"]["low"] is None
    assert (metric["metric"], metric["metric_id"], metric["direction"], metric["unit"]) == ("m", "m@1", "higher", "dB")


def test_translations_of_one_prompt_are_one_unit_but_not_within_a_language():
    plan = [("a", prompt("en", pair="x")), ("b", prompt("zh", language="zh", pair="x")), ("c", prompt("alone"))]
    found = summary_of(plan, [made(key) for key in "abc"], [score("a", 1.0), score("b", 3.0), score("c", 4.0)])
    (metric,) = found["metrics"]
    assert (metric["n_units"], metric["mean"]) == (2, 3.0)
    assert {name: group["n_units"] for name, group in metric["by_language"].items()} == {"en": 2, "zh": 1}


def test_whatever_has_no_good_score_of_its_present_clip_is_a_gap():
    names = ["ok", "failed", "refused", "missing", "unscored", "bad score", "other clip", "score of a failure"]
    plan = [(name, prompt(f"p{number}")) for number, name in enumerate(names)]
    rows = [
        *(made(name) for name in ("ok", "unscored", "bad score", "other clip")),
        *(made("failed", "failed"), made("refused", "refused"), made("score of a failure", "failed")),
    ]
    scores = [
        score("ok", 5.0),
        score("bad score", None, "failed"),
        score("other clip", 9.0, sha="sha-of-before"),
        score("score of a failure", 9.0),
    ]
    found = summary_of(plan, rows, scores)
    assert found["samples"] == {"planned": 8, "ok": 4, "failed": 2, "refused": 1, "missing": 1}
    (metric,) = found["metrics"]
    counts = [metric[name] for name in ("n_planned", "n_scored", "n_failed", "n_refused", "coverage")]
    assert counts == [8, 1, 6, 1, 0.125]
    assert (metric["mean"], metric["low"], metric["high"]) == (5.0, None, None)


def test_without_any_score_there_is_no_mean_and_no_zero():
    (metric,) = summary_of([("a", prompt("p"))], [made("a")], [])["metrics"]
    assert (metric["mean"], metric["coverage"], metric["n_failed"]) == (None, 0.0, 1)


def test_a_shared_clip_counts_for_each_prompt():
    plan = [("a", prompt("p1")), ("a", prompt("p2"))]
    (metric,) = summary_of(plan, [made("a")], [score("a", 2.0)])["metrics"]
    assert (metric["n_planned"], metric["n_scored"], metric["n_units"]) == (2, 2, 2)


def test_the_order_of_rows_does_not_matter_and_the_result_is_json():
    plan = [(f"k{number}", prompt(f"p{number}", category="ab"[number % 2])) for number in range(9)]
    rows = [made(key) for key, _ in plan]
    scores = [score(key, math.sqrt(number)) for number, (key, _) in enumerate(plan)]
    first, second = summary_of(plan, rows, scores), summary_of(plan, rows[::-1], scores[::-1])
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)
