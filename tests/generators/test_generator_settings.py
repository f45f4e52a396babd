"""`--set KEY=VALUE`, and settings a generator does not know."""

from __future__ import annotations

import pytest

from stepbench.errors import UsageError
from stepbench.generators.settings import parse_settings, refuse_unknown_settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30", 30),
        ("-1", -1),
        ("7.5", 7.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("", ""),
        ("a=b", "a=b"),
        ("fast", "fast"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1_000", 1000),
    ],
)
def test_values_are_read_as_what_they_look_like(text, value):
    (read,) = parse_settings([f"key={text}"]).values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["steps"], "a setting must be KEY=VALUE, got 'steps'"),
        (["=3"], "a setting must be KEY=VALUE, got '=3'"),
        (["a=1", "a=2"], "setting 'a' is given twice"),
    ],
)
def test_other_texts_are_refused(assignments, message):
    with pytest.raises(UsageError, match=message):
        parse_settings(assignments)


def test_unknown_settings_are_refused_with_close_names():
    refuse_unknown_settings("g", {"steps": 1}, ["steps", "fps"])
    with pytest.raises(UsageError, match="g has no setting 'stesp'") as caught:
        refuse_unknown_settings("g", {"stesp": 1}, ["steps", "fps"])
    assert caught.value.hint == "did you mean steps?"
