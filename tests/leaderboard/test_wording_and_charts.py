"""Numbers and names as people read them, and the chart made from them."""

from __future__ import annotations

import re
from math import nan

import pandas as pd
from board_runs import card

from leaderboard import charts, wording
from leaderboard.translation import Words

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
    assert re.sub(r"\\(.)", r"\1", escaped) == " ".join(nasty.split())
    assert not re.search(r"(?<!\\)[!-/:-@\[\]^-`{-~]", escaped)


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
    titles = wording.table_titles({"a": table, "b": table, "c": {**table, "seeds": list(range(9))}})
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
    assert point["encoding"]["x"]["title"] == "Shine (points, lower is better)"
    assert point["encoding"]["y"]["sort"] is None
    assert spec["description"] == "Shine: mean and 95 % interval of 2 runs; lower is better"
