"""`diffusers:REPOSITORY[@REVISION]` or `diffusers:FOLDER`: any text-to-video pipeline in the Diffusers format."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from stepbench.errors import EnvironmentUnfitError, Refused, StepbenchError, UsageError
from stepbench.generators.diffusers_frames import clip_of
from stepbench.generators.diffusers_runtime import can_tile, load_pipeline, pipeline_class, seeded, watched
from stepbench.generators.diffusers_settings import CallSettings
from stepbench.generators.diffusers_source import PipelineSource, open_source
from stepbench.generators.placement import Placement, read_placement
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings

OFFLOADS = ("none", "model")
"""What rests in main memory: nothing, or every component but the one at work."""


@dataclass(frozen=True)
class _Loaded:
    """A pipeline with its weights, and what it was loaded for."""

    key: tuple[Any, ...]
    class_name: str
    device: str
    call: CallSettings
    pipeline: Any


class DiffusersGenerator:
    """Calls a pipeline once per sample, as its own documentation does.

    Nothing is read before the card is asked for, Diffusers is imported to resolve the first settings, and weights are
    loaded to generate the first clip. The commit that a branch stood for when the run was planned is one of the
    settings, so that a worker that starts later loads that one.

    Settings are the parameters of the pipeline's call, four of them under the common names `frames`, `steps`,
    `guidance` and `fps`, and `dtype` (default bfloat16), `vae_dtype` (default: as `dtype`), `vae_tiling`. The
    environment's `STEPBENCH_DIFFUSERS_DEVICE` and `STEPBENCH_DIFFUSERS_OFFLOAD` (none or model) say where it runs.

    Args:
        argument: A folder, a repository id, or `REPOSITORY@REVISION`.
    """

    def __init__(self, argument: str) -> None:
        self._argument = argument
        self._loaded: _Loaded | None = None
        self._dead_ends: dict[tuple[Any, ...], Callable[[], StepbenchError]] = {}

    @cached_property
    def card(self) -> GeneratorCard:
        """Name, commit (or the hash of a folder's files), and the class of the pipeline."""
        source = self._source
        return GeneratorCard(
            name=source.name,
            revision=source.commit or "files",
            weights_hash=source.weights_hash(),
            description=f"{source.class_name} run through Diffusers",
            parameters={
                "pipeline": source.class_name,
                "saved_with_diffusers": source.index.get("_diffusers_version"),
                **({"spec": f"{source.name}@{source.commit}"} if source.commit else {}),
            },
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """Settings with the defaults of the pipeline's call, and the commit of a repository under `commit`.

        Raises:
            UsageError: A setting the pipeline does not know, a value out of range, a text it would not see, another
                task than text to video, or another commit than the one that was named.
            EnvironmentUnfitError: The extra is not installed, or the device is not there.
        """
        source = self._source
        if source.commit and settings.get("commit", source.commit) != source.commit:
            raise UsageError(
                f"{source.name} stands for commit {source.commit}, not {settings['commit']!r}",
                hint=f"name the commit behind the repository: {source.name}@COMMIT",
            )
        given = {name: value for name, value in settings.items() if name != "commit" or not source.commit}
        resolved = self._call.resolve(source.name, prompt.text, given)
        return {**resolved, "commit": source.commit} if source.commit else resolved

    def generate(self, request: Request) -> Clip:
        """The clip of one request.

        Raises:
            Refused: A safety checker declines the prompt or the clip.
            UsageError: The pipeline makes a clip of another size than it is asked for.
            EnvironmentUnfitError: The weights cannot be loaded.
            OutputError: The pipeline returns no clip.
        """
        settings, loaded_before, started = request.settings, self._loaded, time.perf_counter()
        loaded = self._load(settings)
        load = {} if loaded is loaded_before else {"load": time.perf_counter() - started}
        asked = tuple(settings.get(name) for name in ("frames", "height", "width"))
        self._stop_at_dead_end(asked)
        with seeded(request.seed) as generator, watched(loaded.pipeline, loaded.device) as watch:
            try:
                output = loaded.pipeline(prompt=request.text, generator=generator, **loaded.call.arguments(settings))
            except ValueError as error:
                if "Guardrail detected unsafe" in str(error):
                    raise Refused(str(error)) from error
                raise
        frames = clip_of(output)
        self._check_size(loaded.class_name, asked, (frames.shape[0], *frames.shape[2:]))
        return Clip(
            frames=frames,
            fps=float(settings["fps"]),
            seconds={**load, **watch.seconds},
            peak_memory_bytes=watch.peak_memory_bytes,
        )

    @cached_property
    def _source(self) -> PipelineSource:
        return open_source(self._argument)

    @cached_property
    def _call(self) -> CallSettings:
        _placement()
        return _call_settings(self._source)

    def _load(self, settings: Settings) -> _Loaded:
        commit = settings.get("commit")
        options: dict[str, Any] = {name: settings.get(name) for name in ("dtype", "vae_dtype", "vae_tiling")}
        key = (commit, *options.values())
        self._stop_at_dead_end(key)
        if self._loaded is None or self._loaded.key != key:
            # The old weights must go before the new ones come.
            self._loaded = None
            source = open_source(f"{self._argument.partition('@')[0]}@{commit}") if commit else self._source
            place, call = _placement(), _call_settings(source)
            try:
                pipeline = load_pipeline(source, place, **options)
            except Exception as error:
                self._dead_ends[key] = partial(
                    EnvironmentUnfitError,
                    f"{source.name} cannot be loaded: {type(error).__name__}: {error}",
                    hint="it must be complete, with weights as safetensors, and fit into memory",
                )
                raise self._dead_ends[key]() from error
            self._loaded = _Loaded(key, source.class_name, place.device, call, pipeline)
        return self._loaded

    def _check_size(self, pipeline: str, asked: tuple[int | None, ...], made: tuple[int, ...]) -> None:
        """Pipelines round what they cannot make, without a word that a run would keep."""
        if any(want is not None and want != got for want, got in zip(asked, made, strict=True)):
            self._dead_ends[asked] = partial(
                UsageError,
                f"{pipeline} makes clips of other sizes: asked for frames, height, width = {_listed(asked)}, "
                f"it made {_listed(made)}",
                hint=f"set frames={made[0]} height={made[1]} width={made[2]}, or other numbers that it keeps to",
            )
            self._stop_at_dead_end(asked)

    def _stop_at_dead_end(self, key: tuple[Any, ...]) -> None:
        """Raise what went wrong before with the same settings: it would again, after minutes on a GPU."""
        if key in self._dead_ends:
            raise self._dead_ends[key]()


def diffusers_generator(argument: str) -> DiffusersGenerator:
    """Factory of the `diffusers` family.

    Raises:
        UsageError: No argument.
    """
    if not argument.strip():
        raise UsageError(
            "diffusers: needs a repository or a folder", hint="for example diffusers:Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
        )
    return DiffusersGenerator(argument.strip())


def _placement() -> Placement:
    return read_placement("STEPBENCH_DIFFUSERS", OFFLOADS)


def _call_settings(source: PipelineSource) -> CallSettings:
    return CallSettings(pipeline_class(source), can_tile=can_tile(source))


def _listed(size: tuple[int | None, ...]) -> str:
    return ", ".join("any" if number is None else str(number) for number in size)
