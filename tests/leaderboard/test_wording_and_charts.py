"""Numbers and names as people read them, and the chart made from them."""

from __future__ import annotations

import re
from math import nan

import numpy as np
import pandas as pd
import pytest
from board_runs import card
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import charts, wording
from leaderboard.translation import Words

JOINER = "\N{WORD JOINER}"

ROWS = pd.DataFrame(
    {
        "label": ["one", "two", "unscored"],
        "mean": [1.0, 2.0, nan],
        "low": [0.5, 1.5, nan],
        "high": [1.5, 2.5, nan],
        "rank": ["2", "1", ""],
        "n_units": [6, 6, 0],
        "scored": ["6/6", "6/6", "0/6"],
    }
)


def test_plain_leaves_no_markdown_alive():
    nasty = "# <b>*x*</b> [a](b) `c` $d$ :red[e] ~f~ _g_ https://h.example \n\n- i"
    escaped = wording.plain(nasty)
    assert re.sub(r"\\(.)", r"\1", escaped).replace(JOINER, "") == " ".join(nasty.split())
    assert not re.search(r"(?<!\\)[!-/:-@\[\]^-`{-~]", escaped)


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        # Streamlit turns these into links, signs and a picture after the escapes have been read.
        ("see http://h.example", "see http:|//h.example"),
        ("HTTPS://h.example", "HTTPS:|//h.example"),
        ("WWW.h.example", "WWW|.h.example"),
        ("a.b+c@d.example", "a.b+c@|d.example"),
        ("a -> b <-> c <- d", "a -|> b <|-> c <|- d"),
        ("-- x >= y <= z ~= 1", "-|- x >|= y <|= z ~|= 1"),
        (":streamlit:", ":|streamlit:"),
        # And these stay as they are, so that a copied name is the name.
        ("world:blur1", "world:blur1"),
        ("a->b model--v2 8:30 @ x", "a->b model--v2 8:30 @ x"),
    ],
)
def test_plain_text_becomes_neither_a_link_nor_a_sign(text: str, parted: str):
    assert re.sub(r"\\(.)", r"\1", wording.plain(text)) == parted.replace("|", JOINER)


def test_tables_with_the_same_words_are_told_apart_by_id():
    table = {
        "suite": {"name": "toys", "version": "1"},
        "n_prompts": 2,
        "seeds": [0, 1],
        "frames": 4.0,
        "height": None,
        "width": None,
        "fps": 8.0,
    }
    titles = wording.table_titles(
        {"a": table, "b": table, "c": {**table, "seeds": list(range(9))}}, Words("frame", "en")
    )
    assert titles == {
        "a": "toys 1 · 2 prompts · seeds 0, 1 · 4 frames · 8 fps · a",
        "b": "toys 1 · 2 prompts · seeds 0, 1 · 4 frames · 8 fps · b",
        "c": "toys 1 · 2 prompts · 9 seeds · 4 frames · 8 fps",
    }


def test_whiskers_draw_one_interval_per_scored_run_in_the_given_order():
    spec = charts.whiskers(ROWS, card("shine", "lower"), Words("charts", "en")).to_dict()
    (data,) = spec["datasets"].values()
    assert [row["label"] for row in data] == ["one", "two"]
    rule, point = spec["layer"]
    assert (rule["encoding"]["x"]["field"], rule["encoding"]["x2"]["field"]) == ("low", "high")
    assert point["encoding"]["x"]["title"] == ["Shine", "points, lower is better"]
    assert point["encoding"]["y"]["sort"] is None
    assert spec["description"] == "Shine: mean and 95 % interval of 2 runs; lower is better"


COSTS = ROWS.assign(seconds=[1.0, 2.0, 3.0], seconds_low=[0.9, 1.9, 2.9], seconds_high=[1.1, 2.1, 3.1])


@pytest.mark.parametrize(
    ("cost", "quality", "higher", "front"),
    [
        ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], True, [True, True, False]),
        ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], False, [True, False, False]),
        ([2.0, 2.0, 2.0], [1.0, 1.0, 0.5], True, [True, True, False]),
        ([], [], True, []),
    ],
    ids=["higher", "lower", "ties", "nothing"],
)
def test_front_holds_what_nothing_beats(cost: list[float], quality: list[float], higher: bool, front: list[bool]):
    assert charts.pareto_front(np.array(cost), np.array(quality), higher=higher).tolist() == front


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
    st.booleans(),
)
def test_front_agrees_with_the_definition(points: list[tuple[int, int]], higher: bool):
    cost, quality = (np.array([point[axis] for point in points], dtype=float) for axis in (0, 1))
    value = -quality if higher else quality
    expected = [
        not any(
            c <= cost[i] and v <= value[i] and (c < cost[i] or v < value[i]) for c, v in zip(cost, value, strict=True)
        )
        for i in range(len(points))
    ]
    assert charts.pareto_front(cost, quality, higher=higher).tolist() == expected


def test_quality_against_cost_draws_the_runs_that_have_both():
    spec = charts.quality_cost(COSTS, card("shine"), Words("charts", "en")).to_dict()
    assert spec["description"] == (
        "Shine against seconds per clip of 2 runs; 2 of them are beaten by no other run in both"
    )


def test_timeline_colours_the_verdicts():
    rows = ROWS.assign(
        generator="g",
        created_at=["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00", "2026-01-03"],
        verdict=["pass", "", ""],
    )
    spec = charts.timeline(rows.iloc[:2], card("shine"), Words("charts", "en")).to_dict()
    (data,) = spec["datasets"].values()
    assert [row["verdict"] for row in data] == ["pass", "no gate"]
    assert spec["description"] == "Shine over time: 2 runs with 95 % intervals; higher is better"
    assert spec["height"] > charts.PLOT_HEIGHT, "the legend takes no room from the axis and its title"
    colour, shape = (spec["layer"][2]["encoding"][name] for name in ("color", "shape"))
    assert colour["legend"] == shape["legend"], "one legend for both"


def test_differences_stand_around_the_line_of_no_difference():
    rows = pd.DataFrame({"label": ["x"], "mean": [0.1], "low": [-0.1], "high": [0.3], "p": [0.4]})
    spec = charts.differences(rows, card("shine"), "base", Words("charts", "en")).to_dict()
    assert spec["layer"][0]["mark"]["type"] == "rule"
    assert spec["layer"][2]["encoding"]["x"]["title"] == ["Difference: Shine", "points, higher is better"]


def test_of_many_runs_the_front_and_the_first_others_are_drawn():
    n = charts.MOST_POINTS + 50
    rows = pd.DataFrame({"label": range(n), "mean": np.arange(n, 0.0, -1), "seconds": 10.0 + np.arange(n)})
    # The first run beats all others; the last is as good as none and the fastest, so it stands on the front too.
    rows.loc[n - 1, "seconds"] = 1.0
    rows.loc[5, "mean"] = np.nan
    drawn = charts.front_and_best(rows, card("shine"))
    assert list(drawn.label) == [0, *range(1, 5), *range(6, charts.MOST_POINTS + 2), n - 1]
    assert charts.front_and_best(rows.head(20), card("shine")).label.tolist() == [*range(5), *range(6, 20)]
