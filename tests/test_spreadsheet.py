"""Tables to download: formulas stay text, numbers keep their digits."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from stepbench.spreadsheet import FORMULA, csv_for_spreadsheets, guarded, json_records


def cells(frame: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_for_spreadsheets(frame), newline="")))


@pytest.mark.parametrize("first", FORMULA)
def test_texts_that_a_spreadsheet_would_run_stay_text(first: str):
    evil = f"{first}HYPERLINK(1)"
    assert cells(pd.DataFrame({evil: [evil, "tame"]})) == [[f"'{evil}"], [f"'{evil}"], ["tame"]]


def test_numbers_keep_their_sign_and_missing_values_stay_empty():
    frame = pd.DataFrame({"x": [-1.5, math.nan], "flag": [True, False], "text": ["a-b", None], "mixed": [-2, "-2"]})
    assert cells(frame)[1:] == [["-1.5", "True", "a-b", "-2"], ["", "False", "", "'-2"]]


@pytest.mark.parametrize(
    ("value", "written"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("-2", "'-2"), ("a=b", "a=b"), (-2.0, -2.0), (None, None)]
)
def test_a_cell_is_guarded_where_it_is_text(value: object, written: object):
    assert guarded(value) == written


def test_json_keeps_every_digit_and_says_null_where_there_is_none():
    value = 4.995921209309507e-06
    frame = pd.DataFrame({"run": ["ä", "<b>"], "n": [1, 2], "mean": [value, np.nan]})
    records = json.loads(json_records(frame))
    assert records == [{"run": "ä", "n": 1, "mean": value}, {"run": "<b>", "n": 2, "mean": None}]
