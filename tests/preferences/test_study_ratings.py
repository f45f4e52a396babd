from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from votes_for_tests import random_votes, rating, table, vote

from stepbench.errors import UsageError
from stepbench.preferences.agreement_table import agreement_table as question_agreement
from stepbench.preferences.monitor import win_rates
from stepbench.preferences.protocol import load_protocol
from stepbench.preferences.ratings.annotator_tables import TOTAL, annotator_tables
from stepbench.preferences.ratings.head_to_head import head_to_head
from stepbench.preferences.ratings.mean_ratings import mean_ratings
from stepbench.preferences.ratings.study_ratings import rate_study
from stepbench.preferences.ratings.vote_agreement import agreement_table
from stepbench.stats import krippendorff_alpha
from stepbench.stats.multiplicity import holm

# The Step-Video-T2V report's tallies of wins and losses against HunyuanVideo, one pair of numbers per annotator.
REPORT = {"ann-1": (59, 47, 0.29), "ann-2": (46, 35, 0.27), "ann-3": (54, 33, 0.03)}


def rng():
    return np.random.default_rng(0)


def tally(wins: int, losses: int, *, annotator: str, ties: int = 0) -> list[dict]:
    """Votes of one annotator for m1 against m2, sides by turns, one prompt each."""
    outcomes = ["m1"] * wins + ["m2"] * losses + [""] * ties
    rows = []
    for number, winner in enumerate(outcomes):
        swapped = number % 2 == 1
        side = "tie" if not winner else "a" if (winner == "m1") != swapped else "b"
        category = "animals" if number % 3 else "sports"
        rows.append(vote(f"p{number}", side, annotator=annotator, swapped=swapped, category=category))
    return rows


def test_the_reports_tallies_give_its_sign_tests():
    rows = [row for who, (wins, losses, _) in REPORT.items() for row in tally(wins, losses, annotator=who)]
    found = annotator_tables(table(rows))
    totals = found[found["category"] == TOTAL].set_index("annotator")
    for who, (wins, losses, p) in REPORT.items():
        assert (totals.loc[who, "wins"], totals.loc[who, "losses"]) == (wins, losses)
        assert totals.loc[who, "p"] == pytest.approx(p, abs=0.005)
    parts = found[found["category"] != TOTAL].groupby("annotator")[["wins", "losses"]].sum()
    assert (parts == totals[["wins", "losses"]]).all().all()


def test_head_to_head_tests_prompts_and_not_votes():
    # Ten annotators on each of four prompts, all for m1: forty votes, but four prompts.
    rows = [vote(f"p{p}", "a", annotator=f"ann-{a}") for p in range(4) for a in range(10)]
    row = head_to_head(table(rows)).iloc[0]
    assert (row["wins"], row["prompts_won"], row["prompts_lost"]) == (40, 4, 0)
    assert row["p"] == pytest.approx(2 * 0.5**4)


def test_head_to_head_counts_both_bad_apart_and_adjusts_over_all_pairs():
    rows = [
        *tally(5, 2, annotator="x"),
        vote("q1", "both_bad"),
        *(vote(f"r{n}", "a", models=("m1", "m3")) for n in range(6)),
        *(vote(f"s{n}", "b", models=("m2", "m3"), swapped=True) for n in range(5)),
    ]
    found = head_to_head(table(rows))
    first = found[(found["model"] == "m1") & (found["opponent"] == "m2")].iloc[0]
    assert (first["wins"], first["ties"], first["losses"], first["both_bad"]) == (5, 0, 2, 1)
    assert first["win_rate"] == pytest.approx(5.5 / 8)
    assert list(found["p_adjusted"]) == pytest.approx(list(holm(found["p"])))
    assert found[found["opponent"] == "m3"]["wins"].tolist() == [6, 5]


def test_swapping_sides_changes_nothing_but_the_side_effect():
    rows = tally(20, 10, annotator="x", ties=5)
    mirrored = [
        vote(
            row["prompt_id"],
            {"a": "b", "b": "a"}.get(row["winner"], row["winner"]),
            annotator="x",
            swapped=row["model_a"] == "m1",
            category=row["category"],
        )
        for row in rows
    ]
    assert head_to_head(table(rows)).equals(head_to_head(table(mirrored)))


def test_a_disconnected_study_gets_an_answer_and_no_ratings():
    rows = [*tally(6, 4, annotator="x"), *(vote(f"q{n}", "ab"[n % 2], models=("m3", "m4")) for n in range(8))]
    found = rate_study(table(rows), rng=rng(), draws=50)
    assert not found.comparable
    assert "m1, m2" in found.dimensions[0].problem
    assert "m3, m4" in found.dimensions[0].problem
    assert found.dimensions[0].models.empty
    assert len(found.dimensions[0].head_to_head) == 2


def test_a_separable_model_gets_words_instead_of_a_number():
    rows = [
        *tally(6, 4, annotator="x"),
        *(vote(f"q{n}", "a", models=("m3", f"m{1 + n % 2}")) for n in range(8)),
    ]
    models = rate_study(table(rows), rng=rng(), draws=50).dimensions[0].models.set_index("model")
    assert math.isnan(models.loc["m3", "rating"])
    assert math.isnan(models.loc["m3", "high"])
    assert "no finite rating" in models.loc["m3", "problem"]
    assert math.isfinite(models.loc["m1", "rating"])
    assert models.loc["m1", "problem"] == ""


def test_votes_between_clips_of_one_model_alone_rate_nothing():
    rows = [vote("p1", "a", models=("m1", "m1")), vote("p2", "b", models=("m1", "m1"))]
    found = rate_study(table(rows), rng=rng(), draws=20)
    assert "nothing to rate" in found.dimensions[0].problem


def test_acceptable_is_the_share_that_is_not_both_bad():
    rows = [*tally(10, 8, annotator="x"), *(vote(f"q{n}", "both_bad") for n in range(2))]
    models = rate_study(table(rows), rng=rng(), draws=20).dimensions[0].models
    assert models["acceptable"].tolist() == pytest.approx([0.9, 0.9])
    assert (models["acceptable_low"] < 0.9).all()
    assert (models["acceptable_high"] <= 1).all()


def test_mean_ratings_take_each_rating_to_the_model_that_stood_there():
    rows = []
    for number in range(6):
        swapped = number % 2 == 0
        high, low = ("b", "a") if swapped else ("a", "b")
        rows += [rating(f"p{number}", 5, high, swapped=swapped), rating(f"p{number}", 2, low, swapped=swapped)]
    words = {"motion_smoothness": ["jumps", "jerky", "so so", "fair", "smooth"]}
    found = mean_ratings(table(rows), anchors=words).set_index("model")
    assert (found.loc["m1", "mean"], found.loc["m2", "mean"]) == (5.0, 2.0)
    assert found.loc["m2", "counts"] == [0, 6, 0, 0, 0]
    assert found["nearest_anchor"].to_dict() == {"m1": "smooth", "m2": "jerky"}
    wrong = table([rating("p1", 3, "a") | {"rating": 3.5}])
    with pytest.raises(UsageError, match=r"rating 3.5 of clip 'a'"):
        mean_ratings(wrong)


def test_agreement_is_that_of_the_matrix_of_verdicts_whatever_the_sides():
    verdicts = {"x": ["1", "1", "2", "t", "2", "b", "1", "1"], "y": ["1", "2", "2", "t", "2", "b", "1", "t"]}
    codes = {"1": 0, "t": 1, "2": 2, "b": 3}
    rows = []
    for who, given in verdicts.items():
        for number, verdict in enumerate(given):
            swapped = (number + len(who + given[0])) % 3 == 0 if who == "x" else number % 2 == 0
            side = {"t": "tie", "b": "both_bad"}.get(verdict) or ("a" if (verdict == "1") != swapped else "b")
            rows.append(vote(f"p{number}", side, annotator=who, swapped=swapped))
    votes = table(rows)
    found = agreement_table(votes, votes.iloc[:0], rng=rng(), draws=100).set_index("coefficient")
    # Which clip is called 1 is a toss per item, so alpha is that of one of all tosses.
    other = {"1": "2", "2": "1"}
    tosses = itertools.product((False, True), repeat=8)
    matrices = (
        [[codes[other.get(one, one) if turn else one] for one, turn in zip(given, toss, strict=True)] for given in both]
        for toss in tosses
        for both in [verdicts.values()]
    )
    alpha = found.loc["Krippendorff's alpha"]
    values = [krippendorff_alpha(matrix, level="nominal") for matrix in matrices]
    assert min(abs(alpha["value"] - value) for value in values) < 1e-9
    assert alpha["low"] <= alpha["value"] <= alpha["high"]
    assert (alpha["items"], alpha["judgements"]) == (8, 16)


def test_annotators_who_all_find_one_model_better_agree():
    rows = [vote(f"p{number}", "a", annotator=who) for number in range(12) for who in "xyz"]
    # One who errs once: with one order of the models for all items, chance would explain the rest.
    rows[0] = vote("p0", "b", annotator="x")
    votes = table(rows)
    found = agreement_table(votes, votes.iloc[:0], rng=rng(), draws=100).set_index("coefficient")
    assert found.loc["Krippendorff's alpha", "value"] > 0.85


def test_agreement_needs_no_hashes_of_clips():
    rows = []
    for number in range(8):
        for who, swapped in (("x", False), ("y", True)):
            row = {"annotator": who, "swapped": swapped, "clip_sha256_a": None, "clip_sha256_b": None}
            rows.append(vote(f"p{number}", "a" if (number % 2 == 0) != swapped else "b", **row))
            side = "b" if swapped else "a"
            rows += [
                rating(f"p{number}", 1 + number % 5, side, **row),
                rating(f"p{number}", 3, "ab"[side == "a"], **row),
            ]
    found = rate_study(table(rows), rng=rng(), draws=20).agreement
    assert found["value"].tolist() == pytest.approx([1.0] * 4)
    assert found["items"].tolist() == [8, 8, 16, 16]


def test_status_and_ratings_agree_on_agreement():
    """`prefs status` and `prefs rate` tell one alpha, also where a clip is rated in several pairs."""
    drawn = np.random.default_rng(3)
    rows = []
    for number, who in itertools.product(range(10), "xyz"):
        for models in (("m1", "m2"), ("m1", "m3")):
            row = {"models": models, "annotator": who, "swapped": bool(drawn.integers(2))}
            rows.append(vote(f"p{number}", str(drawn.choice(["a", "b", "tie", "both_bad"])), **row))
            rows.append(rating(f"p{number}", 1 + int(drawn.integers(5)), "a", dimension="aesthetic_appeal", **row))
    votes, protocol = table(rows), load_protocol("step-video")[0]
    told = question_agreement(votes, protocol, rng=rng(), draws=20).set_index("dimension")["alpha"].dropna()
    rated = rate_study(votes, rng=rng(), draws=20).agreement
    rated = rated[rated["coefficient"] == "Krippendorff's alpha"].set_index("dimension")["value"]
    assert told.to_dict() == pytest.approx(rated.to_dict())
    assert sorted(told.index) == ["aesthetic_appeal", "overall"]


def test_translations_of_one_prompt_are_one_prompt():
    """Votes on a translation add votes, not prompts: no p falls because a prompt was asked in two languages."""
    english = [
        vote(f"p{number}-en", "a" if number % 5 else "b", annotator=who, pair_group=f"p{number}")
        for number in range(10)
        for who in "xyz"
    ]
    chinese = [vote(row["prompt_id"].replace("en", "zh"), row["winner"], annotator=row["annotator"]) for row in english]
    linked = [row | {"pair_group": row["prompt_id"].removesuffix("-zh")} for row in chinese]
    one, both, apart = (
        rate_study(table(rows), rng=rng(), draws=50) for rows in (english, english + linked, english + chinese)
    )
    (once,), (twice,), (unlinked,) = (
        found.dimensions[0].head_to_head.to_dict("records") for found in (one, both, apart)
    )
    assert (once["prompts"], twice["prompts"], unlinked["prompts"]) == (10, 10, 20)
    assert twice["wins"] == 2 * once["wins"]
    assert twice["p"] == once["p"] > unlinked["p"]
    assert any("only 10 prompts" in note for note in both.notes)

    planned = table(english + linked)[["pair_id", "kind", "prompt_id", "pair_group", "model_a", "model_b"]]
    planned = planned.rename(columns={"model_a": "model_1", "model_b": "model_2"}).drop_duplicates("pair_id")
    planned = planned.assign(votes=3, target_votes=3)
    protocol = load_protocol("pairwise")[0]
    assert win_rates(table(english + linked), planned, protocol)["prompts"].tolist() == [10]
    # A prompt waits for its translations too.
    planned.loc[planned["prompt_id"] == "p3-zh", "votes"] = 2
    assert win_rates(table(english + linked), planned, protocol)["prompts"].tolist() == [9]


def test_simulated_votes_are_labelled_wherever_they_are_in():
    rows = [*tally(6, 4, annotator="x"), *(dict(row, simulated=True) for row in tally(5, 5, annotator="sim-1"))]
    found = rate_study(table(rows), rng=rng(), draws=50)
    assert found.notes[0] == "SIMULATED: 10 of 20 judgements are by programs, 10 are of people"
    records = list(found.records())
    assert {record["simulated_votes"] for record in records} == {10}
    assert {record["simulated"] for record in records if record["table"] == "annotators"} == {True, False}


def test_records_are_json_for_votes_of_every_kind():
    for seed in range(3):
        found = rate_study(random_votes(seed, prompts=20), rng=rng(), draws=20)
        assert {record["table"] for record in found.records()} >= {"study", "dimension", "models", "head_to_head"}
        json.dumps(list(found.records()), default=str)


def test_the_same_seed_gives_the_same_ratings_and_row_order_does_not_matter():
    votes = random_votes(4, prompts=20)
    first = rate_study(votes, rng=rng(), draws=50)
    again = rate_study(votes.sample(frac=1, random_state=1), rng=rng(), draws=50)
    for one, two in itertools.zip_longest(first.dimensions, again.dimensions):
        assert one.models.equals(two.models)
        assert one.head_to_head.equals(two.head_to_head)
        assert one.annotators.equals(two.annotators)
    assert first.means.equals(again.means)
    assert first.agreement.equals(again.agreement)
