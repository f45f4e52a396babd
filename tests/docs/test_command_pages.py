"""The command reference has every command, option, default and variable that there is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from stepbench.cli.main import COMMANDS, build_app

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("command_pages", DOCS / "command_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_up_to_date(reference):
    wanted = reference.pages()
    for path, text in wanted.items():
        assert path.is_file(), f"{path.name}: run `python docs/command_pages.py`"
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `python docs/command_pages.py`"
    assert set(wanted) == set((DOCS / "commands").glob("*.md"))


@pytest.mark.parametrize("name", COMMANDS)
def test_names_and_variables_are_those_of_the_help(reference, stepbench, name):
    page = (DOCS / "commands" / f"{name}.md").read_text(encoding="utf-8")
    for path, command in reference.walk(build_app()[name], (name,)):
        if command.default_command is None:
            continue
        shown = stepbench(*path, "--help").out
        section = page.partition(f"\n## {' '.join(path)}\n")[2] if len(path) > 1 else page
        section = section.partition("\n## ")[0]
        told = re.sub(r"[│\s]+", "", shown)  # boxes break words over lines
        variables = re.findall(r"\| `(STEPBENCH_[A-Z_]+)` \|", section)
        assert [variable for variable in variables if f"[envvar:{variable}]" not in told] == []
        assert told.count("[envvar:") == len(variables)
        for option in re.findall(r"^\| `(--[a-z-]+)`", section, flags=re.MULTILINE):
            assert option in shown


def test_a_default_of_zero_is_told(reference):
    assert "| `--seed` | INTEGER | `0` |" in reference.pages()[DOCS / "commands" / "prefs.md"]


def test_guides_exist_or_are_not_linked(reference):
    for name, text in ((path.stem, text) for path, text in reference.pages().items()):
        for target in re.findall(r"\]\(\.\./([a-z/-]+\.md)", text, flags=re.IGNORECASE):
            assert (DOCS / target).is_file(), f"{name}: {target}"
