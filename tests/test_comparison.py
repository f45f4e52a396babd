"""Comparison of two runs: what is paired, what is the unit, which way is better, what is said when unsure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_runs import prompts, run

from stepbench.comparison import compare
from stepbench.errors import NotComparableError, NothingSelectedError, RunFolderError, UsageError
from stepbench.stats import benjamini_hochberg, holm, paired_difference

TABLE = prompts(40)


def test_a_clear_gain_is_named_in_the_better_direction():
    table = compare(run("a", TABLE, 1), run("b", TABLE, 2, shift=1.0)).table().set_index("metric")
    assert list(table["verdict"]) == ["b better", "a better", "b higher"]
    assert list(table["difference"]) == pytest.approx([1.0] * 3, abs=0.2)
    assert list(table["wins"]) == [40, 0, 40]
    assert list(table["losses"]) == [0, 40, 0]
    assert (table["low"] < table["difference"]).all()
    assert (table["n"] == 40).all()
    assert (table["direction"] == ["higher", "lower", "neutral"]).all()


def test_swapping_the_runs_mirrors_the_table():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=0.1)
    there, back = compare(a, b).table(), compare(b, a).table()
    assert np.allclose(there["difference"], -back["difference"])
    assert list(there["wins"]) == list(back["losses"])
    assert list(there["mean_a"]) == list(back["mean_b"])


def test_the_contract_columns_come_first():
    table = compare(run("a", TABLE, 1), run("b", TABLE, 2)).table()
    contract = ["metric", "n", "mean_a", "mean_b", "difference", "low", "high", "p", "p_adjusted", "verdict"]
    assert list(table.columns[:10]) == contract
    assert set(table.columns[10:]) == {
        "metric_id",
        "standard_error",
        "unit",
        "direction",
        "wins",
        "ties",
        "losses",
        "detectable_effect",
        "coverage_a",
        "coverage_b",
    }


def test_a_run_against_itself_is_not_separable():
    same = run("a", TABLE, 1)
    table = compare(same, same).table()
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table["p"] == 1).all()
    assert (table["verdict"] == "not separable").all()
    assert (table["ties"] == 40).all()


def test_rows_equal_the_paired_difference_of_seed_means():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=0.05)
    row = compare(a, b, metrics=["quality"]).table().iloc[0]
    seed_means = [
        [np.mean([side.values["quality"][key, s] for s in (0, 1)]) for key in TABLE["prompt_id"]] for side in (a, b)
    ]
    expected = paired_difference(*seed_means, rng=np.random.default_rng(0))
    assert row["difference"] == pytest.approx(expected.estimate)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert row["p"] == pytest.approx(expected.p, abs=0.02)
    assert row["mean_b"] - row["mean_a"] == pytest.approx(row["difference"])
    assert row["detectable_effect"] == pytest.approx(expected.detectable_effect)


def test_p_is_corrected_with_holm_and_a_row_does_not_depend_on_its_neighbours():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=0.08)
    table = compare(a, b).table()
    assert list(table["p_adjusted"]) == pytest.approx(list(holm(table["p"])))
    alone = compare(a, b, metrics=["motion"]).table()
    assert alone["p"].iloc[0] == table["p"].iloc[2]
    assert alone["p_adjusted"].iloc[0] == alone["p"].iloc[0]


def test_only_pairs_scored_on_both_sides_count_and_coverage_says_so():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2)
    for s in (0, 1):
        a.values["quality"]["p000", s] = np.nan  # a failed on the whole prompt
    del b.values["quality"]["p001", 1]  # b never scored one seed
    b.values["quality"]["p001", 0] = a.values["quality"]["p001", 0] + 5.0
    comparison = compare(a, b, metrics=["quality"])
    row = comparison.table().iloc[0]
    assert row["n"] == 39
    assert (row["coverage_a"], row["coverage_b"]) == (78 / 80, 79 / 80)
    first = comparison.prompts("quality").iloc[0]
    assert (first["prompt_id"], first["seeds"]) == ("p001", 1)
    assert first["difference"] == pytest.approx(5.0)


def test_translations_of_one_prompt_are_one_unit():
    families = prompts(40, families=True)
    a, b = run("a", families, 1), run("b", families, 2, shift=0.1)
    row = compare(a, b, metrics=["quality"]).table().iloc[0]
    assert row["n"] == row["wins"] + row["ties"] + row["losses"] == 20
    split = compare(a, b, metrics=["quality"], by="language").table()
    assert list(split["language"]) == ["en", "zh"]
    assert list(split["n"]) == [20, 20]
    assert split["difference"].mean() == pytest.approx(row["difference"])
    assert list(compare(a, b, metrics=["quality"], by="category").table()["n"]) == [10, 10]


def test_copied_translations_do_not_make_the_result_surer():
    families = prompts(40, families=True)
    a, b = run("a", families, 1), run("b", families, 2, shift=0.1)
    for side in (a, b):
        for i in range(0, 40, 2):
            for s in (0, 1):
                side.values["quality"][f"p{i + 1:03}", s] = side.values["quality"][f"p{i:03}", s]
    family_row = compare(a, b, metrics=["quality"]).table().iloc[0]
    english = compare(a, b, metrics=["quality"], by="language").table().iloc[0]
    assert (family_row["low"], family_row["high"]) == pytest.approx((english["low"], english["high"]))


def test_by_category_gives_a_block_per_metric_with_benjamini_hochberg_and_shrinkage():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=0.1)
    table = compare(a, b, by="category").table()
    assert list(table["category"]) == ["sports", "food"] * 3
    assert list(table["p_adjusted"]) == pytest.approx(list(benjamini_hochberg(table["p"])))
    quality = table[table["metric"] == "quality"]
    assert np.ptp(quality["shrunk_difference"]) < np.ptp(quality["difference"])


def test_a_group_without_common_scores_is_a_row():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2)
    for key in list(b.values["quality"]):
        if key[0] < "p020":
            b.values["quality"][key] = np.nan
    table = compare(a, b, metrics=["quality"], by="category").table().set_index("category")
    assert table.loc["sports", "verdict"] == "no common scores"
    assert table.loc["sports", "n"] == 0
    assert np.isnan(table.loc["sports", "difference"])
    assert table.loc["sports", "coverage_b"] == 0
    assert table.loc["food", "verdict"] in {"not separable", "b better", "a better"}


def test_one_common_prompt_has_no_interval_and_no_verdict():
    single = prompts(1)
    row = (
        compare(run("a", single, 1, metrics=["quality"]), run("b", single, 2, 9.0, metrics=["quality"])).table().iloc[0]
    )
    assert (row["n"], row["p"], row["verdict"]) == (1, 1.0, "not separable")
    assert np.isnan(row["low"])


def test_so_few_prompts_that_nothing_can_be_found_are_named():
    # Flips of 4 signs give no p below 2/16, whatever the difference; Holm over three metrics triples it.
    few = prompts(4)
    found = compare(run("a", few, 1), run("b", few, 2, shift=9.0))
    assert (found.table()["verdict"] == "not separable").all()
    assert "with 4 prompts and 3 metrics no difference can pass" in found.too_few()
    assert "least adjusted p 0.38" in found.too_few()
    for prompt_count in (8, 40):
        enough = prompts(prompt_count)
        assert compare(run("a", enough, 1), run("b", enough, 2, shift=9.0)).too_few() == ""
    grouped = compare(run("a", few, 1), run("b", few, 2, shift=9.0), by="language")
    assert grouped.too_few() == "with 2 prompts no difference can pass, however large (least p 0.5); use more prompts"


def test_nothing_in_common_is_an_error():
    a, b = run("a", TABLE, 1, metrics=["quality"]), run("b", TABLE, 2, metrics=["flicker"])
    with pytest.raises(NothingSelectedError, match="runs a and b have no scored prompt and seed in common"):
        compare(a, b)
    with pytest.raises(NothingSelectedError, match="no scored prompt and seed in common"):
        compare(run("a", TABLE, 1, metrics=[]), run("b", TABLE, 2, metrics=[]))


def test_metrics_without_a_row_are_listed_with_the_reason():
    a = run("a", TABLE, 1, metrics=["quality", "flicker", "fvd"])
    b = run("b", TABLE, 2, metrics=["quality", "fvd"])
    comparison = compare(a, b, by="category")
    assert set(comparison.table()["metric"]) == {"quality"}
    assert comparison.not_compared == (
        ("flicker@1", "scored in a, not in b"),
        ("fvd@1", "a set metric compares all prompts together, not by category"),
    )


def test_incomparable_runs_are_refused_unless_a_reason_is_given():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, settings={"frames": 16}, version=2)
    with pytest.raises(NotComparableError, match="frames: 8 against 16"):
        compare(a, b)
    forced = compare(a, b, allow_incomparable="longer clips on purpose")
    assert forced.differences[0].field == "frames"
    assert forced.reason == "longer clips on purpose"
    assert forced.table()["metric_id"].iloc[0] == "quality@1 / quality@2"


def test_a_reason_that_was_not_needed_is_not_reported():
    assert compare(run("a", TABLE, 1), run("b", TABLE, 2), allow_incomparable="just in case").reason is None


def test_most_different_prompts_come_first():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2)
    b.values["flicker"]["p007", 0] -= 30.0
    comparison = compare(a, b)
    frame = comparison.prompts("flicker@1")
    assert list(frame.columns) == ["prompt_id", "text", "language", "category", "seeds", "a", "b", "difference"]
    assert frame.iloc[0]["prompt_id"] == "p007"
    assert frame["difference"].abs().is_monotonic_decreasing
    with pytest.raises(UsageError, match="no scores of 'nothing' were compared"):
        comparison.prompts("nothing")


def test_json_is_plain_and_has_no_nan():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, settings={"frames": 16})
    record = compare(a, b, allow_incomparable="a test").to_json()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["differences"] == [{"field": "frames", "a": 8, "b": 16}]
    assert record["b"] == {"run": "b", "generator": "world:b"}
    single = prompts(1)
    lonely = compare(run("a", single, 1), run("b", single, 2)).to_json()
    assert lonely["rows"][0]["low"] is None
    json.dumps(lonely, allow_nan=False)


def test_bad_options_are_refused():
    a = run("a", TABLE, 1)
    with pytest.raises(UsageError, match="by must be 'category' or 'language', got 'tags'"):
        compare(a, a, by="tags")
    with pytest.raises(UsageError, match="level must lie between 0 and 1, got 95"):
        compare(a, a, level=95)
    cardless = run("a", TABLE, 1, metrics=["cardless"])
    with pytest.raises(RunFolderError, match="scores of cardless@1 but no card"):
        compare(cardless, cardless)


def test_the_seed_decides_the_permutations():
    a, b = run("a", TABLE, 1), run("b", TABLE, 2, shift=0.06)
    assert compare(a, b).table().equals(compare(a, b).table())
    assert not compare(a, b).table()["p"].equals(compare(a, b, seed=1).table()["p"])
