"""From what a user typed after `reconstruct -M` to an autoencoder. Families load on first use."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from stepbench.autoencoders.protocol import Autoencoder
from stepbench.errors import StepbenchError, UsageError

ENTRY_POINT_GROUP = "stepbench.autoencoders"

FAMILIES: dict[str, tuple[str, str]] = {
    "h264": ("stepbench.autoencoders.h264:h264_autoencoder", "h264:CRF  the video codec, 0 (best) to 51"),
    "step-video": (
        "stepbench.autoencoders.step_video:step_video_autoencoder",
        "step-video:FOLDER  the Video-VAE of a model folder, or step-video:tiny",
    ),
    "python": ("stepbench.autoencoders.python:python_autoencoder", "python:MODULE:CLASS  a class of yours"),
}
"""Family -> (factory as module:function, help line). A factory takes the text after the first colon."""


def autoencoder_families() -> dict[str, str]:
    """Family -> help line, those of other packages included (entry point `stepbench.autoencoders`)."""
    families = {point.name: f"{point.name}:...  from {point.value}" for point in _plugins().values()}
    return families | {family: line for family, (_, line) in FAMILIES.items()}


def make_autoencoder(spec: str) -> Autoencoder:
    """The autoencoder named by `FAMILY:ARGUMENT`.

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
            f"autoencoder {spec!r} cannot be loaded: {type(error).__name__}: {error}", hint="--debug shows where"
        ) from error


def _factory(family: str, spec: str) -> Callable[[str], Autoencoder]:
    if family in FAMILIES:
        module, _, function = FAMILIES[family][0].partition(":")
        return getattr(import_module(module), function)
    plugins = _plugins()
    if family in plugins:
        return plugins[family].load()
    known = sorted({*FAMILIES, *plugins})
    close = difflib.get_close_matches(family, known, n=2) or known
    offered = " or ".join(f"{name}:..." for name in close)
    raise UsageError(f"no autoencoder family {family!r} in {spec!r}", hint=f"write {offered}")


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
