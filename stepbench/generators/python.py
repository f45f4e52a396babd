"""`python:MODULE:FUNCTION`: a function of the user's becomes a generator."""

from __future__ import annotations

import importlib
import inspect
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stepbench.canonical import sha256_file
from stepbench.errors import UsageError
from stepbench.generators.protocol import Clip
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import GeneratorCard, Prompt, Request, Settings


class PythonGenerator:
    """Calls `function(prompt, seed=..., **settings)` once per sample.

    The function returns frames, uint8 RGB (time, channel, height, width) as a NumPy array or a torch tensor, or yields
    such pieces of the clip one after the other, or returns the path of a video file. It raises `stepbench.Refused` to
    decline a prompt. The setting `fps` (default 8) gives the rate of returned frames. Settings the function has no
    parameter for are refused, unless it takes `**settings`.
    """

    def __init__(self, name: str, function: Callable[..., Any], revision: str) -> None:
        self._function = function
        self._parameters = inspect.signature(function).parameters
        self.card = GeneratorCard(
            name=name, revision=revision, description=(inspect.getdoc(function) or "").split("\n")[0]
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """Settings with the function's own defaults filled in.

        Raises:
            UsageError: An unknown setting, one without a default that is not given, or an impossible `fps`.
        """
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in self._parameters.values())
        # The first parameter takes the prompt, whatever its name.
        named = {
            parameter.name: parameter.default
            for parameter in list(self._parameters.values())[1:]
            if parameter.name != "seed" and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        }
        # A suite's geometry and negative prompt are offers: a function that has no such parameter goes without.
        offered = {"frames", "height", "width", "fps", "negative_prompt"}
        if not takes_any:
            refuse_unknown_settings(self.card.name, settings, {*named, *offered})
        defaults = {name: value for name, value in named.items() if value is not inspect.Parameter.empty}
        given = {name: value for name, value in settings.items() if takes_any or name in named or name == "fps"}
        missing = [name for name in named if name not in {**defaults, **given}]
        if missing:
            raise UsageError(f"{self.card.name} needs the setting {missing[0]!r}", hint=f"add --set {missing[0]}=VALUE")
        resolved = {"fps": 8, **defaults, **given}
        fps = resolved["fps"]
        if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < math.inf:
            raise UsageError(f"{self.card.name}: fps must be a number above 0, got {fps!r}", hint="add --set fps=8")
        return resolved

    def generate(self, request: Request) -> Clip:
        """Call the function for one request and take what it returns."""
        takes_fps = "fps" in self._parameters or any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in self._parameters.values()
        )
        settings = {key: value for key, value in request.settings.items() if key != "fps" or takes_fps}
        result = self._function(request.text, seed=request.seed, **settings)
        if isinstance(result, str | Path):
            # The function may write to the same path every time, so the file is copied before it can.
            copy = request.output_dir / f"clip{Path(result).suffix}"
            shutil.copyfile(result, copy)
            return Clip(path=copy)
        # Pieces are encoded as they come.
        frames = map(np.asarray, result) if isinstance(result, Iterator) else np.asarray(result)
        return Clip(frames=frames, fps=float(request.settings["fps"]))


def python_generator(argument: str) -> PythonGenerator:
    """Factory of the `python` family: `MODULE:FUNCTION`, the module found from the current folder or installed.

    Raises:
        UsageError: The module cannot be imported, or has no such function, or the function takes no `seed`.
    """
    module_name, _, function_name = argument.partition(":")
    if not module_name or not function_name:
        raise UsageError(
            f"python: needs MODULE:FUNCTION, got {argument!r}", hint="for example python:my_model:generate"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"cannot import {module_name!r}: {error}", hint="run from its folder, or install it"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(f"module {module_name!r} has no function {function_name!r}", hint="check the spelling")
    parameters = inspect.signature(function).parameters.values()
    if not any(parameter.name == "seed" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        raise UsageError(
            f"{argument} takes no parameter `seed`, so its samples could not be told apart or repeated",
            hint="write def generate(prompt, seed, ...)",
        )
    source = inspect.getsourcefile(function)
    revision = sha256_file(Path(source))[:16] if source else "unknown"
    return PythonGenerator(f"python:{argument}", function, revision)
