"""Settings of a Step-Video model: defaults from its configs, checks, and the nearest values that it can make."""

from __future__ import annotations

import math
from typing import Any

from reference_model.config import WEIGHT_DTYPES, SamplingConfig
from reference_model.errors import ReferenceModelError
from reference_model.presets import Preset, step_video_t2v, step_video_t2v_turbo
from reference_model.sampling.sizes import latent_shape
from reference_model.serving.access import TOKEN_VARIABLE
from reference_model.serving.address import parse_url
from reference_model.serving.errors import ServingError
from stepbench.errors import UsageError
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import Settings

_WHOLE = {"frames": "num_frames", "height": "height", "width": "width", "steps": "num_steps"}
_NUMBERS = {"fps": "fps", "guidance": "guidance_scale", "time_shift": "time_shift"}
_TEXTS = ("positive_magic", "negative_prompt")
_SWITCHES = ("magic_prompts", "fp8")

VARIANTS = {"t2v": step_video_t2v, "turbo": step_video_t2v_turbo}
"""The two releases. Same code and configs, so apart from weights they differ in these recommended values alone."""
_RECOMMENDED = ("num_steps", "guidance_scale", "time_shift")

URLS = ("text_url", "vae_url")
"""Servers of the parts that live in another process. Left out of the settings where they do not."""


def resolve_settings(name: str, preset: Preset, settings: Settings) -> dict[str, Any]:
    """All settings of a clip, defaults filled in from the model's sampling config.

    `magic_prompts` (default true) decides the defaults of `positive_magic`, which is appended to the prompt, and of
    `negative_prompt`: the model's own texts, or none. With a `guidance` of at most 1 the negative prompt has no effect.
    `variant`, one of `VARIANTS`, decides the defaults of `steps`, `guidance` and `time_shift`, and is not kept itself;
    without it they are the folder's. `text_url` and `vae_url` are kept only where they are given.

    Raises:
        UsageError: An unknown setting, a value of the wrong kind or out of range, or a size that the model cannot make,
            with the nearest ones that it can.
    """
    sampling = _recommended(name, preset.sampling, settings)
    magic = settings.get("magic_prompts", True)
    defaults = {
        **{setting: getattr(sampling, field) for setting, field in (_WHOLE | _NUMBERS).items()},
        "magic_prompts": True,
        "positive_magic": sampling.positive_magic if magic else "",
        "negative_prompt": sampling.negative_magic if magic else "",
        "dtype": sampling.dtype,
        "fp8": False,
    }
    refuse_unknown_settings(name, settings, [*defaults, "variant", *URLS])
    resolved = {**defaults, **{setting: value for setting, value in settings.items() if setting != "variant"}}
    for setting in _WHOLE:
        _require(name, setting, resolved, "a whole number", _is_number(resolved[setting], int))
    for setting in _NUMBERS:
        _require(name, setting, resolved, "a finite number", _is_number(resolved[setting], int | float))
        # 9 and 9.0 are one setting and must make one sample key.
        resolved[setting] = float(resolved[setting])
    for setting in _TEXTS:
        _require(name, setting, resolved, "text", isinstance(resolved[setting], str))
    for setting in _SWITCHES:
        _require(name, setting, resolved, "true or false", isinstance(resolved[setting], bool))
    _require(name, "dtype", resolved, f"one of {', '.join(WEIGHT_DTYPES)}", resolved["dtype"] in WEIGHT_DTYPES)
    _require(name, "guidance", resolved, "a number from 0 up", resolved["guidance"] >= 0)
    for setting in URLS:
        if setting in resolved:
            resolved[setting] = _server_url(name, setting, resolved)
    _check_clip(name, preset, sampling_of(preset.sampling, resolved))
    return resolved


def sampling_of(sampling: SamplingConfig, settings: Settings) -> SamplingConfig:
    """The model's sampling config with the values that resolved settings ask for.

    Raises:
        UsageError: A value that no sampling can have.
    """
    changes = {field: settings[setting] for setting, field in (_WHOLE | _NUMBERS).items()}
    try:
        return sampling.changed(**changes, positive_magic=settings["positive_magic"])
    except ReferenceModelError as error:
        raise UsageError(_in_settings(error.message), hint=_in_settings(error.hint)) from error


def _recommended(name: str, sampling: SamplingConfig, settings: Settings) -> SamplingConfig:
    if "variant" not in settings:
        return sampling
    _require(name, "variant", settings, f"one of {', '.join(VARIANTS)}", settings["variant"] in [*VARIANTS])
    released = VARIANTS[settings["variant"]]().sampling
    return sampling.changed(**{field: getattr(released, field) for field in _RECOMMENDED})


def _server_url(name: str, setting: str, settings: Settings) -> str:
    _require(name, setting, settings, "a URL", isinstance(settings[setting], str))
    try:
        return parse_url(settings[setting]).url
    except ServingError as error:
        hint = f"the token of a server goes into {TOKEN_VARIABLE}"
        raise UsageError(f"{name}: {setting}: {error.message}", hint=hint) from error


def _check_clip(name: str, preset: Preset, sampling: SamplingConfig) -> None:
    try:
        latent_shape(
            sampling.num_frames,
            sampling.height,
            sampling.width,
            preset.transformer.in_channels,
            patch_size=preset.transformer.patch_size,
        )
    except ReferenceModelError as error:
        raise UsageError(f"{name}: {_in_settings(error.message)}", hint=_in_settings(error.hint)) from error


def _require(name: str, setting: str, settings: Settings, what: str, holds: bool) -> None:
    if not holds:
        raise UsageError(
            f"{name}: {setting} must be {what}, got {settings[setting]!r}", hint=f"write --set {setting}=VALUE"
        )


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)


def _in_settings(text: str) -> str:
    """The model's message in the names of the settings."""
    for setting, field in (_WHOLE | _NUMBERS).items():
        text = text.replace(field, setting)
    return text.removeprefix("SamplingConfig: ")
