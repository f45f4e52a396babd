"""`python:MODULE:CLASS`: a class of the user's becomes an autoencoder."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stepbench.autoencoders.protocol import Code
from stepbench.canonical import canonical_json, sha256_file
from stepbench.errors import UsageError
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import GeneratorCard, Settings

if TYPE_CHECKING:
    from stepbench.video import VideoClip


class PythonAutoencoder:
    """Makes `CLASS(**settings)` once, then calls `encode(frames, fps)` and `decode(data)` of it per clip.

    `encode` takes frames, uint8 RGB (time, 3, height, width), and returns `bytes`, whose length is the size of the
    code, or a `stepbench.autoencoders.Code`. `decode` takes those bytes, or the code's `data`, and returns frames of
    that shape, as a NumPy array or a torch tensor on the CPU. Settings the class has no parameter for are refused,
    unless it takes `**settings`.
    """

    def __init__(self, name: str, kind: type, revision: str) -> None:
        self._kind = kind
        self._made: dict[str, Any] = {}
        self.card = GeneratorCard(name=name, revision=revision, description=(inspect.getdoc(kind) or "").split("\n")[0])

    def resolve(self, settings: Settings) -> dict[str, Any]:
        """Settings with the defaults of the class filled in.

        Raises:
            UsageError: An unknown setting, or one without a default that is not given.
        """
        parameters = inspect.signature(self._kind).parameters.values()
        named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            refuse_unknown_settings(self.card.name, settings, [one.name for one in named])
        resolved = {one.name: one.default for one in named if one.default is not one.empty} | dict(settings)
        missing = [one.name for one in named if one.name not in resolved]
        if missing:
            raise UsageError(f"{self.card.name} needs the setting {missing[0]!r}", hint=f"add --set {missing[0]}=VALUE")
        return resolved

    def prepare(self, settings: Settings) -> None:
        """Make the user's object."""
        self._instance(settings)

    def encode(self, clip: VideoClip, settings: Settings) -> Code:
        """What the user's `encode` makes of a clip.

        Raises:
            TypeError: It returns neither bytes nor a `Code`.
        """
        code = self._instance(settings).encode(clip.frames, clip.fps)
        if isinstance(code, bytes):
            return Code(data=code, bits=8 * len(code))
        if not isinstance(code, Code):
            raise TypeError(f"encode must return bytes or a stepbench.autoencoders.Code, got {type(code).__name__}")
        return code

    def decode(self, code: Code, settings: Settings) -> np.ndarray:
        """What the user's `decode` makes of a code."""
        return np.asarray(self._instance(settings).decode(code.data))

    def _instance(self, settings: Settings) -> Any:
        key = canonical_json(dict(settings))
        if key not in self._made:
            self._made = {key: self._kind(**settings)}
        return self._made[key]


def python_autoencoder(argument: str) -> PythonAutoencoder:
    """Factory of the `python` family: `MODULE:CLASS`, the module found from the current folder or installed.

    Raises:
        UsageError: The module cannot be imported, or has no such class, or the class has no `encode` and `decode`.
    """
    module_name, _, class_name = argument.partition(":")
    if not module_name or not class_name:
        raise UsageError(f"python: needs MODULE:CLASS, got {argument!r}", hint="for example python:my_codec:Codec")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"cannot import {module_name!r}: {error}", hint="run from its folder, or install it"
        ) from error
    kind = getattr(module, class_name, None)
    if not isinstance(kind, type):
        raise UsageError(f"module {module_name!r} has no class {class_name!r}", hint="check the spelling")
    lacking = [name for name in ("encode", "decode") if not callable(getattr(kind, name, None))]
    if lacking:
        raise UsageError(f"{argument} has no method {lacking[0]!r}", hint="write encode(frames, fps) and decode(data)")
    source = inspect.getsourcefile(kind)
    revision = sha256_file(Path(source))[:16] if source else "unknown"
    return PythonAutoencoder(f"python:{argument}", kind, revision)
