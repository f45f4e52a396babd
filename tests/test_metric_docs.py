"""Pages about metrics name what is there."""

from __future__ import annotations

import re
from pathlib import Path

from metrics.options import options_of
from metrics.registry import METRICS

REPOSITORY = Path(__file__).parent.parent


def test_every_named_test_exists():
    page = (REPOSITORY / "docs" / "metric-oracles.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?P<file>[\w/]+\.py)::(?P<test>\w+)`", page)
    assert len(named) > 30
    for file, test in named:
        path = REPOSITORY / (file if "/" in file else f"tests/metrics/{file}")
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"
    numbers = [int(number) for number in re.findall(r"^\| (\d+) ", page, re.MULTILINE)]
    assert numbers == list(range(1, 21))


def test_every_option_is_in_the_table_and_the_other_way_round():
    page = (REPOSITORY / "docs" / "metric-options.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert told == {option for name in METRICS for option in options_of(name)}
