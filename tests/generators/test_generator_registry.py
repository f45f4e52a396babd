"""From `FAMILY:ARGUMENT` to a generator."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from stepbench.errors import ExitCode, UsageError
from stepbench.generators import registry
from stepbench.generators.protocol import Generator
from stepbench.generators.registry import FAMILIES, generator_families, make_generator


@pytest.mark.parametrize("spec", ["world:exact", "python:toy_generators:noise", "command:true {prompt} {output}"])
def test_every_generator_fulfils_the_protocol(workplace, spec):
    generator = make_generator(spec)
    assert isinstance(generator, Generator)
    assert generator.card.name == spec
    assert generator.card.revision


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("wrold:exact", "no generator family 'wrold' in 'wrold:exact'", "world"),
        ("", "no generator family ''", "command"),
        ("comand", "no generator family 'comand'", "command"),
    ],
)
def test_unknown_families_are_refused_with_close_names(spec, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        make_generator(spec)
    assert hint in caught.value.hint


def test_every_family_has_a_factory_and_a_help_line():
    families = generator_families()
    assert set(FAMILIES) <= set(families)
    for family, line in families.items():
        assert line.startswith(family)
        assert "  " in line


class Plugin:
    def __init__(self, argument):
        if argument == "break":
            raise RuntimeError("weights are damaged")
        self.argument = argument


@pytest.fixture
def plugins(monkeypatch):
    points = [EntryPoint("plug", f"{__name__}:Plugin", "stepbench.generators")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "stepbench.generators" else [])
    return points


def test_families_of_other_packages_are_found(plugins):
    assert make_generator("plug:a:b").argument == "a:b"
    assert "plug" in generator_families()


def test_a_generator_that_breaks_while_it_loads_is_named(plugins):
    with pytest.raises(UsageError, match="generator 'plug:break' cannot be loaded: RuntimeError: weights are damaged"):
        make_generator("plug:break")
    plugins[0] = EntryPoint("plug", "no_such_module:Plugin", "stepbench.generators")
    with pytest.raises(UsageError, match="'plug:x' cannot be loaded: ModuleNotFoundError") as caught:
        make_generator("plug:x")
    assert caught.value.exit_code == ExitCode.USAGE
