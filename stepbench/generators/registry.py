"""From what a user typed after `-M` to a generator. Families load on first use."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from stepbench.errors import StepbenchError, UsageError
from stepbench.generators.protocol import Generator

ENTRY_POINT_GROUP = "stepbench.generators"

FAMILIES: dict[str, tuple[str, str]] = {
    "world": ("stepbench.generators.world:world_generator", "world:VARIANT  procedural clips, exact or corrupted"),
    "folder": ("stepbench.generators.folder:folder_generator", "folder:DIR  clips that exist already, by manifest"),
    "command": ("stepbench.generators.command:command_generator", 'command:"PROGRAM {prompt} {output}"  any program'),
    "http": ("stepbench.generators.http:http_generator", "http:URL  a model behind an HTTP service"),
    "diffusers": (
        "stepbench.generators.diffusers:diffusers_generator",
        "diffusers:MODEL  a text-to-video pipeline: repository id, id@revision, or folder",
    ),
    "step-video": ("stepbench.generators.step_video:step_video_generator", "step-video:FOLDER  the reference model"),
    "python": ("stepbench.generators.python:python_generator", "python:MODULE:FUNCTION  a function of yours"),
}
"""Family -> (factory as module:function, help line). A factory takes the text after the first colon."""


def generator_families() -> dict[str, str]:
    """Family -> help line, those of other packages included (entry point `stepbench.generators`)."""
    families = {family: line for family, (_, line) in FAMILIES.items()}
    return families | {point.name: f"{point.name}:...  from {point.value}" for point in _plugins().values()}


def make_generator(spec: str) -> Generator:
    """The generator named by `FAMILY:ARGUMENT`.

    Raises:
        UsageError: Unknown family (close names are offered), whatever the family's factory refuses, or a factory or
            model code that breaks while it is loaded.
    """
    family, _, argument = spec.partition(":")
    try:
        return _factory(family, spec)(argument)
    except StepbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"generator {spec!r} cannot be loaded: {type(error).__name__}: {error}", hint="--debug shows where"
        ) from error


def _factory(family: str, spec: str) -> Callable[[str], Generator]:
    if family in FAMILIES:
        module, _, function = FAMILIES[family][0].partition(":")
        return getattr(import_module(module), function)
    plugins = _plugins()
    if family in plugins:
        return plugins[family].load()
    known = sorted({*FAMILIES, *plugins})
    close = difflib.get_close_matches(family, known, n=2) or known
    offered = " or ".join(f"{name}:..." for name in close)
    raise UsageError(f"no generator family {family!r} in {spec!r}", hint=f"write {offered}")


def _plugins() -> dict:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
