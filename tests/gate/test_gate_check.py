"""A gate on runs in memory: directions, coverage, limits, anchors, runs that must not be compared."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from fake_runs import FakeRun, prompts, run

from stepbench.errors import NotComparableError, UsageError
from stepbench.gate import check
from stepbench.stats import paired_difference

TABLE = prompts(40)
POLICY = {"metrics": {"quality": {"margin": 0.5}, "flicker": {"margin": 0.5}}}


def gate(candidate: FakeRun, baseline: FakeRun, policy=POLICY, **options):
    return check(candidate, baseline, policy, **options)  # pyright: ignore[reportArgumentType]


def only(metric: str = "quality", **demands) -> dict:
    return {"metrics": {metric: {"margin": 0.5, **demands}}}


def verdicts(result) -> dict[str, str]:
    return {one.metric: one.verdict for one in result.metrics}


def test_the_loss_is_counted_in_the_bad_direction():
    up = gate(run("b", TABLE, 2, shift=2.0), run("a", TABLE, 1))
    assert verdicts(up) == {"quality": "pass", "flicker": "regression"}
    assert (up.verdict, up.exit_code()) == ("regression", 10)
    down = gate(run("b", TABLE, 2, shift=-2.0), run("a", TABLE, 1))
    assert verdicts(down) == {"quality": "regression", "flicker": "pass"}
    by_name = {one.metric: one for one in down.metrics}
    assert by_name["quality"].limit == -0.5
    assert by_name["flicker"].limit == 0.5
    assert by_name["quality"].loss_low == -by_name["quality"].high > 0.5


def test_the_interval_is_the_paired_one_at_the_policys_alpha():
    a, b = run("a", TABLE, 1, metrics=["quality"]), run("b", TABLE, 2, shift=0.1, metrics=["quality"])
    one = gate(b, a, {"alpha": 0.1, **only()}).metrics[0]
    means = [
        [np.mean([side.values["quality"][key, seed] for seed in (0, 1)]) for key in TABLE["prompt_id"]]
        for side in (a, b)
    ]
    expected = paired_difference(*means, rng=np.random.default_rng(0), level=0.9)
    assert (one.difference, one.low, one.high, one.n) == pytest.approx(
        (expected.estimate, expected.low, expected.high, expected.n)
    )
    assert one.mean_candidate - one.mean_reference == pytest.approx(one.difference)


def test_identical_runs_pass_in_every_metric_and_the_same_run_says_so():
    a = run("a", TABLE, 1)
    result = gate(a, a, {"metrics": {"quality": {"margin": 0.0}, "flicker": {"margin": 1e-12}}})
    assert (result.verdict, result.exit_code()) == ("pass", 0)
    assert result.notes == ("candidate and baseline are one and the same run: nothing can differ",)
    assert all(one.fell == () for one in result.metrics)
    twin = dataclasses.replace(a, name="twin")
    assert gate(twin, a).notes == ()


def test_a_loss_of_just_the_margin_is_accepted():
    a = run("a", TABLE, 1, metrics=["quality"])
    lower = {key: value - 0.1 for key, value in a.values["quality"].items()}
    b = dataclasses.replace(a, name="b", values={"quality": lower})
    assert gate(b, a, only(margin=0.1)).verdict == "pass"
    assert gate(b, a, only(margin=0.0999999)).verdict == "regression"


def test_too_few_prompts_are_inconclusive_with_the_number_needed():
    few = prompts(6)
    result = gate(run("b", few, 2, shift=-0.4), run("a", few, 1), only())
    one = result.metrics[0]
    assert (result.verdict, result.exit_code(), one.n) == ("inconclusive", 11, 6)
    assert one.n_needed > 6
    assert f"about {one.n_needed:,.0f} prompts would settle it" in one.reasons[0]
    assert [result.exit_code(word) for word in ("fail", "warn", "pass")] == [11, 0, 0]
    with pytest.raises(UsageError, match="inconclusive must be fail, warn or pass, got 'never'"):
        result.exit_code("never")  # pyright: ignore[reportArgumentType]


def test_one_prompt_has_a_written_answer():
    single = prompts(1)
    result = gate(run("b", single, 2, shift=-9.0), run("a", single, 1), only())
    assert result.verdict == "inconclusive"
    assert result.metrics[0].reasons == ("a single prompt gives no interval: at least 2 are needed",)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["metrics"][0]["low"] is None


def test_fewer_prompts_than_the_policy_demands_decide_nothing():
    result = gate(run("b", TABLE, 2, shift=-9.0), run("a", TABLE, 1), only(min_n=41))
    assert verdicts(result) == {"quality": "inconclusive"}
    assert result.metrics[0].reasons == ("40 prompts, the policy demands 41",)


@pytest.mark.parametrize("side", ["candidate", "baseline"])
def test_a_failed_score_on_either_side_is_incomplete_and_a_lower_demand_passes(side):
    a, b = run("a", TABLE, 1), run("b", TABLE, 2)
    broken = b if side == "candidate" else a
    broken.values["quality"]["p003", 1] = math.nan
    result = gate(b, a)
    assert verdicts(result) == {"quality": "incomplete", "flicker": "pass"}
    assert (result.exit_code(), result.exit_code("pass")) == (3, 3)
    gap = "are scored (1 not scored, the first: it broke), the policy demands 100.0%"
    assert result.metrics[0].reasons == (f"98.8% of the samples of {broken.name} {gap}",)
    assert gate(b, a, {"min_coverage": 0.98, **POLICY}).verdict == "pass"


def test_a_proven_loss_outranks_missing_scores_and_names_both():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=-2.0)
    b.values["quality"]["p003", 1] = math.nan
    one = gate(b, a, only()).metrics[0]
    assert one.verdict == "regression"
    assert "lies beyond the margin 0.5" in one.reasons[0]
    assert "98.8% of the samples of b are scored" in one.reasons[1]


def test_nothing_scored_in_common_is_incomplete():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2)
    for key in b.values["quality"]:
        b.values["quality"][key] = math.nan
    result = gate(b, a, only())
    assert (result.verdict, result.metrics[0].n) == ("incomplete", 0)
    assert math.isnan(result.metrics[0].difference)


def test_a_metric_that_was_never_scored_is_incomplete_with_the_command():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, metrics=["quality"])
    result = gate(b, a)
    assert verdicts(result) == {"quality": "pass", "flicker": "incomplete"}
    assert result.metrics[1].reasons == ("b has no scores of flicker: stepbench score runs/b -m flicker",)
    assert gate(b, a, only("sharpness")).metrics[0].reasons == (
        "b has no scores of sharpness: stepbench score runs/b -m sharpness",
    )


def test_a_name_that_no_metric_has_is_a_mistake_of_the_policy():
    a = run("a", TABLE, 1)
    with pytest.raises(UsageError, match="there is no metric 'flickr'\n  hint: did you mean 'flicker'"):
        gate(a, a, only("flickr"))
    with pytest.raises(UsageError, match="there is no metric 'zzzzzz'\n  hint: `stepbench list metrics` lists them"):
        gate(a, a, only("zzzzzz"))


def test_a_metric_may_be_named_by_its_id():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2)
    result = gate(b, a, only("quality@1"))
    assert [(one.metric, one.metric_id) for one in result.metrics] == [("quality", "quality@1")]


def test_the_direction_comes_from_the_card_and_a_neutral_metric_needs_one():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=-2.0)
    with pytest.raises(UsageError, match=r"\[metrics.motion\] needs a direction: by its card neither way is better"):
        gate(b, a, only("motion"))
    assert gate(b, a, only("motion", direction="higher")).verdict == "regression"
    assert gate(b, a, only("motion", direction="lower")).verdict == "pass"
    assert gate(b, a, only("flicker", direction="lower")).verdict == "pass"
    with pytest.raises(UsageError, match="says direction 'higher', by its card lower is better"):
        gate(b, a, only("flicker", direction="higher"))


def test_a_relative_margin_is_a_share_of_the_baselines_mean():
    a, b = run("a", TABLE, 1, shift=-10.0), run("b", TABLE, 2, shift=-10.5)
    one = gate(b, a, {"metrics": {"quality": {"relative_margin": 0.1}}}).metrics[0]
    assert one.margin == pytest.approx(0.1 * abs(one.mean_reference))
    assert one.verdict == "pass"
    assert gate(b, a, {"metrics": {"quality": {"relative_margin": 0.01}}}).verdict == "regression"


def test_floor_and_ceiling_hold_for_the_candidates_mean_whatever_the_difference():
    a, b = run("a", TABLE, 1, shift=5.0), run("b", TABLE, 2, shift=5.0)
    mean = gate(b, a, only()).metrics[0].mean_candidate
    assert gate(b, a, only(floor=mean - 0.01, ceiling=mean + 0.01)).verdict == "pass"
    low = gate(b, a, only(floor=mean + 0.01)).metrics[0]
    assert (low.verdict, low.reasons[0]) == (
        "regression",
        f"the candidate's mean {mean:.4g} lies below the floor {mean + 0.01:g}",
    )
    high = gate(b, a, only(ceiling=mean - 0.01)).metrics[0]
    assert (high.verdict, "above the ceiling" in high.reasons[0]) == ("regression", True)
    # The floor decides even where there are too few prompts for the interval.
    assert gate(b, a, only(floor=1e9, min_n=1000)).verdict == "regression"


def test_the_prompts_that_fell_most_come_first():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=2.0)
    for seed in (0, 1):
        b.values["flicker"]["p007", seed] += 50.0
        b.values["flicker"]["p011", seed] += 20.0
    one = gate(b, a, only("flicker", margin=0.1)).metrics[0]
    assert one.verdict == "regression"
    assert [prompt.prompt_id for prompt in one.fell[:2]] == ["p007", "p011"]
    assert len(one.fell) == 5
    assert one.fell[0].text == "text of p007"
    assert one.fell[0].candidate - one.fell[0].reference > 45


def test_drift_that_passes_step_by_step_is_caught_by_the_anchor():
    anchor, baseline, candidate = (
        run(name, TABLE, 1, shift=shift) for name, shift in zip("abc", (0.0, -0.4, -0.8), strict=True)
    )
    assert gate(baseline, anchor, only()).verdict == "pass"
    assert gate(candidate, baseline, only()).verdict == "pass"
    result = gate(candidate, baseline, only(), anchor=anchor)
    assert [(one.against, one.verdict) for one in result.metrics] == [("baseline", "pass"), ("anchor", "regression")]
    assert (result.exit_code(), result.anchor.run if result.anchor else None) == (10, "a")


def test_the_anchor_counts_in_the_family():
    few = prompts(4)
    a, b = run("a", few, 1, metrics=["quality"]), run("b", few, 2, shift=-1.0, metrics=["quality"])
    alone, both = gate(b, a, only()).metrics[0], gate(b, a, only(), anchor=a).metrics
    assert both[0].p == pytest.approx(min(1.0, 2 * alone.p))


def test_runs_that_must_not_be_compared_are_refused_or_forced_with_a_reason():
    a = run("a", TABLE, 1)
    b = run("b", TABLE, 2, settings={"frames": 16})
    with pytest.raises(NotComparableError, match="frames: 8 against 16"):
        gate(b, a)
    with pytest.raises(NotComparableError, match="runs a and b are not comparable"):
        gate(b, b, anchor=a)
    result = gate(b, a, allow_incomparable="same motion, twice the rate")
    assert (result.reason, [one.field for one in result.differences]) == ("same motion, twice the rate", ["frames"])
    assert gate(a, a, allow_incomparable="not needed").reason is None
    newer = run("b", TABLE, 2, version=2)
    with pytest.raises(NotComparableError, match="id of metric quality: 'quality@1' against 'quality@2'"):
        gate(newer, a)


def test_the_result_is_frozen_and_its_json_holds_all_of_it():
    result = gate(run("b", TABLE, 2), run("a", TABLE, 1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.reason = "none"
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (record["schema"], record["verdict"], record["exit_code"]) == (1, "pass", 0)
    assert record["candidate"]["run"] == "b"
    assert record["policy"]["metrics"]["quality"]["margin"] == 0.5
    assert [one["metric"] for one in record["metrics"]] == ["quality", "flicker"]


def test_an_unfinished_run_says_so():
    class Unfinished(FakeRun):
        @property
        def info(self):
            return {**super().info, "status": "running"}

    base = run("a", TABLE, 1)
    half = Unfinished("b", base.values, TABLE)
    assert gate(half, base).notes == ("run b is running: the same `stepbench run` command completes it",)
