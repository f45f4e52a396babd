"""The page on preference studies names every key, rule and column that there is, with the defaults that hold."""

from __future__ import annotations

import re
from pathlib import Path

from stepbench.cli.prefs import prefs_command
from stepbench.preferences.protocol import BUILT_IN, Exclusion, Protocol
from stepbench.preferences.quality import RULES
from stepbench.preferences.tables import VOTE_COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "preference-studies.md").read_text(encoding="utf-8")


def _table(heading: str) -> dict[str, list[str]]:
    """First column -> other columns of the table whose header row begins with `heading`."""
    lines = PAGE.split(f"| {heading} |", 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return {row[0]: row[1:] for row in rows}


def _names(cells: object) -> list[str]:
    return re.findall(r"`([a-z_0-9-]+)`", str(cells))


def test_every_key_of_a_protocol_is_there_with_its_default() -> None:
    table = _table("key")
    assert sorted(_names(list(table))) == sorted(Protocol.model_fields)
    for keys, (default, _) in table.items():
        for key, value in zip(_names(keys), default.split(", "), strict=False):
            if re.fullmatch(r"[\d.]+|true|false", value):
                assert str(Protocol.model_fields[key].default).lower() == value, key


def test_every_rule_is_there_with_its_default() -> None:
    table = _table("rule")
    assert _names(list(table)) == list(RULES)
    for rule, (default, _) in table.items():
        assert getattr(Exclusion(), _names(rule)[0]) == float(default)
    for name, value in re.findall(r"`(min_\w+)` = (\d+)", PAGE):
        assert getattr(Exclusion(), name) == int(value)


def test_every_column_protocol_and_command_is_there() -> None:
    assert _names(list(_table("columns"))) == list(VOTE_COLUMNS)
    assert _names(list(_table("protocol"))) == list(BUILT_IN)
    commands = {name for name in prefs_command if not name.startswith("-")}
    assert {"new", "plan", "status", "simulate", "vote", "forget"} <= commands
    assert set(re.findall(r"stepbench prefs (\w+)", PAGE)) <= commands
