"""Every quirk that the README says is kept, and every bug that it says is fixed, has the test that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rows_below(heading: str) -> list[str]:
    text = (ROOT / "reference_model" / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize(
    ("heading", "count"),
    [("Quirks of the released code that are kept", 10), ("Bugs of the released code that are fixed", 16)],
)
def test_every_row_names_tests_that_exist(heading, count):
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "reference_model").rglob("test_*.py")]
    defined = {name for source in sources for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}
    rows = rows_below(heading)
    assert len(rows) == count
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named, row
        assert named <= defined, row


def test_places_of_quirks_exist():
    for row in rows_below("Quirks of the released code that are kept"):
        for place in re.findall(r"`([a-z_]+/[a-z_]+\.py)`", row):
            assert (ROOT / "reference_model" / place).is_file(), place
