"""CSV for spreadsheets: formulas stay text, numbers stay numbers."""

from __future__ import annotations

import csv
import io
import math

import pandas as pd
import pytest

from stepbench.spreadsheet import FORMULA, csv_for_spreadsheets, guarded


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
