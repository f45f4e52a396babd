"""Weights of the reader's choice: the number, its interval, and the address that carries them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from opened_pages import opened, parameter

from leaderboard.composite import read_weights, weighted_score, write_weights
from stepbench.board.covariances import mean_covariance, packed, unpacked
from stepbench.stats import mean_interval

CARDS = {"up": {"title": "Up", "direction": "higher"}, "down": {"title": "Down", "direction": "lower"}}
WEIGHTS = {"up": 2.0, "down": 1.0}


def scores(seed: int, shift: float) -> pd.DataFrame:
    """Scores of one run by two metrics that go together, one row per unit and metric."""
    rng = np.random.default_rng(seed)
    up = rng.normal(shift, 1.0, size=40)
    down = 0.7 * up + rng.normal(-2 * shift, 0.5, size=40)
    units = [f"p{number}" for number in range(40)]
    return pd.DataFrame({"unit": units * 2, "metric_id": ["up"] * 40 + ["down"] * 40, "value": [*up, *down]})


def summary(runs: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows as the overview has them."""
    return pd.DataFrame(
        [
            {"run": run, "label": run, "metric_id": key, "mean": block.value.mean(), "n_units": len(block)}
            for run, frame in runs.items()
            for key, block in frame.groupby("metric_id")
        ]
    )


def covariances(runs: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Covariances as the board keeps them."""
    rows = [packed(mean_covariance(frame, list(CARDS))) for frame in runs.values()]
    return pd.DataFrame({"run": list(runs), "covariance": rows})


def test_interval_is_that_of_the_weighted_mean_of_each_prompt():
    runs = {f"r{seed}": scores(seed, shift=0.3 * seed) for seed in range(3)}
    rows = summary(runs)
    found = weighted_score(rows, CARDS, WEIGHTS, covariances(runs), list(CARDS)).set_index("run")
    ends = rows.groupby("metric_id")["mean"].agg(["min", "max"])
    for run, frame in runs.items():
        wide = frame.pivot(index="unit", columns="metric_id", values="value")
        up = (wide.up - ends["min"]["up"]) / (ends["max"]["up"] - ends["min"]["up"])
        down = (ends["max"]["down"] - wide.down) / (ends["max"]["down"] - ends["min"]["down"])
        expected = mean_interval((2 * up + down) / 3)
        assert found.loc[run, ["mean", "low", "high"]].tolist() == pytest.approx(
            [expected.estimate, expected.low, expected.high]
        )


def test_best_and_worst_of_every_metric_are_one_and_zero():
    rows = pd.DataFrame(
        [("a", "up", 1.0), ("a", "down", 9.0), ("b", "up", 5.0), ("b", "down", 2.0)],
        columns=["run", "metric_id", "mean"],
    ).assign(label="x", n_units=1)
    found = weighted_score(rows, CARDS, WEIGHTS, covariances({}), list(CARDS))
    assert found[["run", "mean"]].to_numpy().tolist() == [["b", 1.0], ["a", 0.0]]
    assert found.low.isna().all(), "one prompt gives no interval"


def test_a_missing_metric_is_not_zero():
    rows = pd.DataFrame(
        [("a", "up", 1.0), ("a", "down", 9.0), ("b", "up", 5.0), ("c", "up", 3.0), ("c", "down", 1.0)],
        columns=["run", "metric_id", "mean"],
    ).assign(label="x", n_units=2)
    found = weighted_score(rows, CARDS, WEIGHTS, covariances({}), list(CARDS)).set_index("run")
    assert np.isnan(found["mean"]["b"])
    assert found.missing["b"] == "Down"
    assert list(found.index)[-1] == "b"


def test_a_metric_in_which_all_are_equal_counts_one_half():
    rows = pd.DataFrame([("a", "up", 3.0), ("b", "up", 3.0)], columns=["run", "metric_id", "mean"]).assign(
        label="x", n_units=2
    )
    found = weighted_score(rows, CARDS, {"up": 1.0}, covariances({}), list(CARDS))
    assert found["mean"].tolist() == [0.5, 0.5]


def test_covariances_are_packed_without_loss():
    matrix = mean_covariance(scores(1, 0.0), list(CARDS))
    assert unpacked(np.array([packed(matrix)]), 2)[0] == pytest.approx(matrix)
    assert np.isnan(mean_covariance(scores(1, 0.0).head(1), list(CARDS))).all()


@pytest.mark.parametrize(
    "text", ["x:up", "2", "0:up", "-1:up", "nan:up", "inf:up", "1e9:up", "2:unknown", "", "2:<script>"]
)
def test_weights_that_cannot_be_used_are_left_out(text: str):
    assert read_weights([text, "0.5:down"], list(CARDS)) == {"down": 0.5}


def test_weights_survive_the_address_whatever_the_metric_id():
    weights = {"fvd@2:9f3c1a:16f": 2.5, "up": 1.0}
    assert read_weights(write_weights(weights), list(weights)) == weights


def test_overview_weighs_what_the_address_says(shown: Path):
    app = opened(weight=["2:shine@1:native", "1:wobble@1:native"])
    score = app.dataframe[2].value
    assert score["label"].tolist() == ["toy:best", "toy:second", "toy:twin", "toy:last"]
    assert score["mean"].tolist()[0] == pytest.approx(1.0)
    assert score["mean"].tolist()[-1] == pytest.approx(0.0)
    app.number_input(key="weight-wobble@1:native").set_value(3.0).run()
    assert app.query_params["weight"] == ["2:shine@1:native", "3:wobble@1:native"]
    app.multiselect(key="weighed metrics").set_value(["wobble@1:native"]).run()
    assert parameter(app, "weight") == "3:wobble@1:native"


def test_overview_filters_stand_in_the_address(shown: Path):
    app = opened()
    app.text_input(key="find").set_value("TOY:B").run()
    assert app.dataframe[1].value["label"].tolist() == ["toy:best"]
    app.text_input(key="find").set_value("").run()
    app.multiselect(key="generator").set_value(["toy:twin", "toy:last"]).run()
    assert app.query_params["generator"] == ["toy:twin", "toy:last"]
    assert app.dataframe[1].value["rank"].tolist() == ["2–3", "4"], "ranks stay those among all runs"
    app.slider(key="coverage").set_value(95).run()
    assert parameter(app, "coverage") == "95"
    assert app.dataframe[1].value["label"].tolist() == ["toy:twin"]
    app.text_input(key="find").set_value("best").run()
    assert "No run passes" in app.info[0].value


def test_overview_shows_the_columns_asked_for(shown: Path):
    app = opened(show="wobble@1:native")
    upper = {name for name, _ in app.dataframe[0].value.columns}
    assert upper == {"", "Wobble ↓ (points)"}


@pytest.mark.parametrize("coverage", ["-5", "x", "²", "1e3"])
def test_overview_forgives_a_coverage_that_is_no_number(shown: Path, coverage: str):
    assert len(opened(coverage=coverage).dataframe[1].value) == 4
