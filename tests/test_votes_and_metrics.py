"""Votes of a study against scores of runs: joined by clip, per dimension, and what is left out is counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.votes_and_metrics import votes_and_metrics

CARDS = {
    "good@1": {"name": "good", "direction": "higher", "level": "clip", "unit": "points"},
    "error@1": {"name": "error", "direction": "lower", "level": "clip", "unit": "pixels"},
    "noise@1": {"name": "noise", "direction": "neutral", "level": "clip", "unit": ""},
    "fvd@1": {"name": "fvd", "direction": "lower", "level": "set", "unit": ""},
}
PROMPTS = 60


@dataclass
class TableRun:
    """What the function reads of a run."""

    name: str
    values: dict[str, np.ndarray]
    metric_cards: dict = field(default_factory=lambda: dict(CARDS))

    def samples(self) -> pd.DataFrame:
        keys = [f"k{i}" for i in range(PROMPTS)]
        return pd.DataFrame({"sample_key": keys, "clip_sha256": [f"{self.name}-{key}" for key in keys]})

    def scores(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"sample_key": f"k{i}", "metric_id": metric_id, "status": "ok", "value": float(value)}
                for metric_id, values in self.values.items()
                for i, value in enumerate(values)
            ]
        )


def world(seed: int = 0) -> tuple[list[TableRun], pd.DataFrame]:
    """Two runs, and three annotators who prefer what `good` measures and `error` measures backwards."""
    generator = np.random.default_rng(seed)
    quality = generator.normal(size=(2, PROMPTS))
    runs = [
        TableRun(name, {"good@1": q, "error@1": -q, "noise@1": generator.normal(size=PROMPTS)})
        for name, q in zip(("one", "two"), quality, strict=True)
    ]
    rows = []
    for i in range(PROMPTS):
        for person in ("ann", "bob", "cai"):
            first, second = generator.permutation(2)
            lead = quality[first, i] - quality[second, i] + generator.normal(0, 0.5)
            sides = {
                name: value
                for side, number in (("a", first), ("b", second))
                for name, value in {
                    f"run_{side}": runs[number].name,
                    f"sample_key_{side}": f"k{i}",
                    f"clip_sha256_{side}": f"{runs[number].name}-k{i}",
                }.items()
            }
            rows.append(
                {
                    "pair_id": f"pair{i}",
                    "kind": "real",
                    "dimension": "overall",
                    "winner": "tie" if abs(lead) < 0.3 else "a" if lead > 0 else "b",
                    "rating": np.nan,
                    "rated_clip": None,
                    "prompt_id": f"p{i}",
                    "pair_group": None,
                    "annotator": person,
                    "simulated": False,
                    "excluded": None,
                    **sides,
                }
            )
    return runs, pd.DataFrame(rows)


def test_a_metric_that_people_agree_with_is_told_from_noise():
    runs, votes = world()
    table = votes_and_metrics(votes, runs)
    assert list(table["metric"]) == ["good", "error", "noise"] or list(table["metric"]) == ["error", "good", "noise"]
    by_metric = table.set_index("metric")
    good, error, noise = (by_metric.loc[name] for name in ("good", "error", "noise"))
    # A metric that counts downwards is read so: what predicts is the same.
    assert (good["accuracy"], good["low"], good["p"]) == (error["accuracy"], error["low"], error["p"])
    assert good["low"] > good["chance"]
    assert good["verdict"] == "predicts votes"
    assert noise["verdict"] == "no better than chance"
    assert (good["n"], good["n_pairs"], good["n_prompts"], good["n_human"]) == (180, 60, 60, 180)
    assert "fvd" not in by_metric.index
    assert table.attrs["notes"] == []


def test_accuracy_and_agreement_of_people_are_those_counted_by_hand():
    runs, votes = world()
    row = votes_and_metrics(votes, runs, metrics=["good"]).iloc[0]
    score = {run.name: dict(enumerate(run.values["good@1"])) for run in runs}
    right, alike, others = 0, 0, 0
    for vote in votes.to_dict("records"):
        i = int(vote["pair_id"].removeprefix("pair"))
        difference = score[vote["run_a"]][i] - score[vote["run_b"]][i]
        said = "tie" if abs(difference) <= row["threshold"] else "a" if difference > 0 else "b"
        right += said == vote["winner"]
        choice = vote[f"run_{vote['winner']}"] if vote["winner"] != "tie" else "tie"
        for other in votes[(votes["pair_id"] == vote["pair_id"]) & (votes["annotator"] != vote["annotator"])].to_dict(
            "records"
        ):
            alike += choice == (other[f"run_{other['winner']}"] if other["winner"] != "tie" else "tie")
            others += 1
    assert row["accuracy"] == pytest.approx(right / 180)
    assert row["human"] == pytest.approx(alike / others)
    assert row["gap"] == pytest.approx(row["accuracy"] - row["human"])
    assert row["voted_ties"] == pytest.approx((votes["winner"] == "tie").mean())


def test_a_metric_upside_down_predicts_the_loser_and_a_weak_one_stays_below_people():
    runs, votes = world()
    generator = np.random.default_rng(1)
    for run in runs:
        run.values["error@1"] = run.values["good@1"]
        run.values["noise@1"] = run.values["good@1"] + generator.normal(0, 1.5, PROMPTS)
    table = votes_and_metrics(votes, runs).set_index("metric")
    assert table.loc["error", "verdict"] == "predicts the loser"
    assert table.loc["noise", "verdict"] == "predicts votes, below people"
    assert table.loc["noise", "gap_high"] < 0 < table.loc["noise", "decided"] - 0.5


def test_ratings_of_both_clips_say_which_is_better():
    runs, votes = world()
    rows = []
    for vote in votes.to_dict("records"):
        marks = {"a": (4, 2), "b": (1, 3), "tie": (3, 3)}[vote["winner"]]
        for side, mark in zip("ab", marks, strict=True):
            rows.append(vote | {"winner": None, "rating": float(mark), "rated_clip": side, "dimension": "motion"})
    half = {**rows[0], "annotator": "dora"}  # rated one clip only: says nothing of the pair
    both = pd.concat([votes, pd.DataFrame([*rows, half])], ignore_index=True)
    table = votes_and_metrics(both, runs, metrics=["good@1"]).set_index("dimension")
    columns = ["accuracy", "low", "high", "human", "n", "voted_ties", "threshold"]
    assert table.loc["motion", columns].to_list() == pytest.approx(table.loc["overall", columns].to_list())
    only = votes_and_metrics(both, runs, dimensions=["motion"])
    assert set(only["dimension"]) == {"motion"}


def test_translations_are_one_unit():
    runs, votes = world()
    votes["pair_group"] = "family " + votes["prompt_id"].map({f"p{i}": f"{i // 2}" for i in range(PROMPTS)})
    row = votes_and_metrics(votes, runs, metrics=["good"]).iloc[0]
    assert (row["n"], row["n_prompts"]) == (180, 30)


def test_what_is_left_out_is_counted():
    runs, votes = world()
    whole = votes_and_metrics(votes, runs, metrics=["good"])
    more = [
        votes.iloc[:4].assign(kind="gold", winner="b"),
        votes.iloc[:5].assign(excluded="gold pairs", annotator="eve"),
        votes.iloc[:2].assign(winner="both_bad", annotator="fay"),
        votes.iloc[:1].assign(winner="skip", annotator="fay"),
        votes.iloc[:3].assign(run_b="three", annotator="gil"),
        votes.iloc[:6].assign(clip_sha256_a="older", annotator="hal", simulated=True),
    ]
    table = votes_and_metrics(pd.concat([votes, *more], ignore_index=True), runs, metrics=["good"])
    assert table["n"].iloc[0] == 180
    assert table["accuracy"].iloc[0] == whole["accuracy"].iloc[0]
    assert table.attrs["notes"] == [
        "5 judgements of excluded annotators are left out",
        "6 of 192 judgements are by SIMULATED annotators",
        "2 'both bad' and 1 skipped votes say nothing about which clip is better",
        "3 votes compare clips of runs that were not named",
        "6 votes are on clips that the runs no longer hold: they were made anew since",
    ]


def test_a_clip_without_a_score_drops_its_votes_from_that_metric_alone():
    runs, votes = world()
    scores = runs[0].scores()
    scores.loc[(scores["metric_id"] == "good@1") & (scores["sample_key"] == "k3"), ["status", "value"]] = (
        "failed",
        np.nan,
    )
    runs[0].scores = lambda: scores
    table = votes_and_metrics(votes, runs).set_index("metric")
    assert (table.loc["good", "n"], table.loc["error", "n"]) == (177, 180)


def test_the_order_of_votes_and_runs_changes_nothing():
    runs, votes = world()
    left = votes_and_metrics(votes, runs)
    right = votes_and_metrics(votes.sample(frac=1, random_state=0), runs[::-1])
    pd.testing.assert_frame_equal(left, right)


def test_what_cannot_be_answered_is_refused():
    runs, votes = world()
    with pytest.raises(UsageError, match=r"no run has clip scores of metric 'fvd'"):
        votes_and_metrics(votes, runs, metrics=["fvd"])
    with pytest.raises(UsageError, match="no vote is on dimension 'beauty'"):
        votes_and_metrics(votes, runs, dimensions=["beauty"])
    with pytest.raises(UsageError, match="the votes lack the columns rating, annotator"):
        votes_and_metrics(votes.drop(columns=["rating", "annotator"]), runs)
    with pytest.raises(UsageError, match="each run counts once, got one, one"):
        votes_and_metrics(votes, [runs[0], runs[0]])
    with pytest.raises(UsageError, match="level must lie between 0 and 1, got 95"):
        votes_and_metrics(votes, runs, level=95)
    with pytest.raises(NothingSelectedError, match="no vote compares two clips of these runs"):
        votes_and_metrics(votes, runs[:1])


def test_the_command_finds_the_metric_that_simulated_annotators_go_by(stepbench, workplace):
    plan = ("-t", "moving-shapes", "-L", "8", "-m", "sharpness,flicker")
    for name in ("exact", "blur"):
        assert stepbench("run", "-M", f"world:{name}", *plan, "--run-id", name).code == 0
    runs = ["runs/exact", "runs/blur"]
    assert stepbench("prefs", "new", "study", "--protocol", "pairwise").code == 0
    assert stepbench("prefs", "plan", "study", *runs).code == 0
    taste = ("--by", "sharpness", "--sharpness", "9", "--annotators", "6")
    assert stepbench("prefs", "simulate", "study", *runs, *taste).code == 0
    ended = stepbench("metrics", "agree", *runs, "--study", "study", "--json")
    assert ended.code == 0
    rows = {row["metric"]: row for row in map(json.loads, ended.out.splitlines())}
    assert rows["sharpness"]["low"] > rows["sharpness"]["chance"]
    assert rows["sharpness"]["accuracy"] > rows["flicker"]["accuracy"]
    assert "judgements are by SIMULATED annotators" in ended.err
    shown = stepbench("metrics", "agree", *runs, "--study", "study", "-m", "sharpness")
    assert shown.code == 0
    assert "sharpness ↑" in shown.out
    assert "flicker" not in shown.out
    assert stepbench("metrics", "agree", *runs, "--study", "study", "-m", "flickr").code == 2
    assert stepbench("metrics", "agree", runs[0], "--study", "study").code == 5
