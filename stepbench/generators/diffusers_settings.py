"""Settings of a Diffusers pipeline, read off the signature of its call, without loading any weights."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from typing import Any

from stepbench.canonical import canonical_json
from stepbench.errors import UsageError
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import Settings

RENAMED = {
    "num_frames": "frames",
    "video_length": "frames",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "frame_rate": "fps",
}
"""Parameter of a pipeline -> the one name of that setting for all generators. Other parameters keep their names."""

DTYPES = ("bfloat16", "float16", "float32")

OFFERED = ("frames", "height", "width", "fps", "negative_prompt")
"""Settings that suites offer; a pipeline that has no such parameter goes without."""

_WHOLE = ("frames", "height", "width", "steps")
_NO_SETTING = re.compile(
    r"self|prompt(_\d)?|seed|generator|output_type|return_dict|num_(videos|images)_per_prompt|callback.*|.*latents.*|.*embeds.*"
    r"|(.*_)?mask|(.*_)?images?|(.*_)?video"
)
_STARTS_FROM_PICTURES = re.compile(r"(Image|Video)(To|2)(Video|World)")
_DELETED_BY_CLEANING = re.compile("[\u3200-\u9fff]")


class CallSettings:
    """What one pipeline class can be told.

    Args:
        pipeline: The class.
        can_tile: Whether its autoencoder can work tile by tile.

    Raises:
        UsageError: The pipeline does not make a clip from a text alone.
    """

    def __init__(self, pipeline: type, *, can_tile: bool) -> None:
        parameters = inspect.signature(pipeline.__call__).parameters
        _refuse_other_tasks(pipeline.__name__, parameters)
        named = {
            RENAMED.get(name, name): parameter
            for name, parameter in parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and not _NO_SETTING.fullmatch(name)
        }
        self.parameter_of = {name: parameter.name for name, parameter in named.items()}
        self.takes_output_type = "output_type" in parameters
        self.defaults: dict[str, Any] = {
            name: parameter.default for name, parameter in named.items() if _is_plain(parameter.default)
        }
        self.defaults |= {"dtype": "bfloat16", "vae_dtype": None}
        if can_tile:
            self.defaults["vae_tiling"] = False

    def resolve(self, generator: str, text: str, settings: Settings) -> dict[str, Any]:
        """Settings with every default of the pipeline. None leaves a choice to the pipeline and is left out.

        Raises:
            UsageError: An unknown setting, a value out of range, no `fps` where the pipeline has none, or a text that
                the pipeline would not see.
        """
        for name in settings:
            if RENAMED.get(name) in self.parameter_of:
                raise UsageError(
                    f"{generator}: the setting {name!r} is called {RENAMED[name]!r} for every generator",
                    hint=f"write {RENAMED[name]}={settings[name]}",
                )
        known = {*self.parameter_of, *self.defaults}
        refuse_unknown_settings(generator, settings, {*known, *OFFERED})
        given = {name: value for name, value in settings.items() if value is not None and name in {*known, "fps"}}
        resolved = {
            name: _like(self.defaults.get(name), value)
            for name, value in {**self.defaults, **given}.items()
            # An empty negative prompt and none at all may be two things to a pipeline.
            if value is not None or name == "negative_prompt"
        }
        _check(generator, resolved)
        if resolved.get("clean_caption") and _DELETED_BY_CLEANING.search(text):
            raise UsageError(
                f"{generator}: clean_caption deletes all Chinese characters, and the prompt is {text!r:.60}",
                hint="add --set clean_caption=false",
            )
        return resolved

    def arguments(self, settings: Settings) -> dict[str, Any]:
        """Resolved settings as keyword arguments of the pipeline's call."""
        named = {self.parameter_of[name]: value for name, value in settings.items() if name in self.parameter_of}
        return {**named, "output_type": "np"} if self.takes_output_type else named


def _refuse_other_tasks(name: str, parameters: Mapping[str, inspect.Parameter]) -> None:
    hint = "give the repository of a text-to-video pipeline"
    if "prompt" not in parameters or not {"num_frames", "video_length", "frames"} & parameters.keys():
        raise UsageError(
            f"{name} makes no video from a text: its call has no prompt, or no number of frames", hint=hint
        )
    needed = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty
        and parameter.name not in ("self", "prompt")
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if needed:
        raise UsageError(f"{name} makes no video from a text alone: it needs {', '.join(needed)}", hint=hint)
    if _STARTS_FROM_PICTURES.search(name):
        raise UsageError(f"{name} makes no video from a text alone: it starts from pictures", hint=hint)


def _check(generator: str, resolved: Mapping[str, Any]) -> None:
    for name in _WHOLE:
        value = resolved.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{generator}: {name} must be a whole number from 1 up, got {value!r}")
    if "fps" not in resolved:
        raise UsageError(
            f"{generator} does not say at what rate its frames play", hint="add --set fps=N, from the model's card"
        )
    for name in ("fps", "guidance"):
        value = resolved.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise UsageError(f"{generator}: {name} must be a number from 0 up, got {value!r}")
    if resolved["fps"] == 0:
        raise UsageError(f"{generator}: fps must be above 0, got {resolved['fps']!r}")
    for name in ("dtype", "vae_dtype"):
        if resolved.get(name, DTYPES[0]) not in DTYPES:
            raise UsageError(f"{generator}: {name} must be one of {', '.join(DTYPES)}, got {resolved[name]!r}")
    if not isinstance(resolved.get("vae_tiling", False), bool):
        raise UsageError(f"{generator}: vae_tiling must be true or false, got {resolved['vae_tiling']!r}")
    if not isinstance(resolved.get("negative_prompt") or "", str):
        raise UsageError(f"{generator}: negative_prompt must be text, got {resolved['negative_prompt']!r}")


def _is_plain(default: Any) -> bool:
    """Whether a default can stand in a sample key. None counts, though it is left out of most keys."""
    if default is inspect.Parameter.empty:
        return False
    try:
        canonical_json(default)
    except (TypeError, ValueError):
        return False
    return True


def _like(default: Any, value: Any) -> Any:
    """`value`, spelled as a whole number or not like the default, so that 5 and 5.0 make one key."""
    numbers = type(default) in (int, float) and type(value) in (int, float) and math.isfinite(value)
    return type(default)(value) if numbers and type(default)(value) == value else value
