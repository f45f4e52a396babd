"""`step-video:FOLDER` or `step-video:tiny`: the reference Step-Video-T2V, with any weights in the released layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_model.checkpoint.configs import read_preset
from reference_model.errors import CheckpointError, ReferenceModelError
from reference_model.packaged import PACKAGED, packaged_folder
from reference_model.presets import Preset
from stepbench import __version__
from stepbench.errors import UsageError
from stepbench.generators.placement import Placement
from stepbench.generators.protocol import Clip
from stepbench.generators.step_video_costs import BANDWIDTH, cost_record
from stepbench.generators.step_video_parallel import decodes_here, require_shareable, shared_placement
from stepbench.generators.step_video_runtime import StageClock, decoded_frames, load_model, placement, served_elsewhere
from stepbench.generators.step_video_settings import URLS, resolve_settings, sampling_of
from stepbench.generators.step_video_weights import weights_hash
from stepbench.records import GeneratorCard, Prompt, Request, Settings

if TYPE_CHECKING:
    from reference_model import TextToVideoPipeline
    from reference_model.parallel import ParallelConfig

_HINT = "give a folder in the released layout: step-video:FOLDER"


class StepVideoGenerator:
    """Calls the reference model once per sample. Weights, and torch with them, are loaded to make the first clip.

    Settings: frames, height, width, fps, steps, guidance, time_shift, negative_prompt, positive_magic, magic_prompts,
    dtype, fp8, variant, text_url, vae_url; see `resolve_settings`. The environment's `STEPBENCH_STEP_VIDEO_DEVICE` and
    `STEPBENCH_STEP_VIDEO_OFFLOAD` (none or stages) say where it runs, and `STEPBENCH_SERVING_TOKEN` is the token of
    servers that the URLs name.

    Attributes:
        parallel: How the processes of a `torchrun` share every clip; None where there is one process.
        device: Where this one of them computes.

    Args:
        folder: A model folder in the released layout.
        name: What runs are listed under.

    Raises:
        UsageError: The folder lacks a config, or the configs do not fit together.
    """

    def __init__(self, folder: Path, name: str) -> None:
        try:
            self.preset: Preset = read_preset(folder)
        except ReferenceModelError as error:
            raise UsageError(f"{name}: {error.message}", hint=error.hint or _HINT) from error
        self.parallel: ParallelConfig | None = None
        self.device = ""
        self._folder = folder
        self._loaded: tuple[tuple[Any, ...], TextToVideoPipeline] | None = None
        self.card = GeneratorCard(
            name=name,
            revision=f"reference_model {__version__}",
            weights_hash=weights_hash(folder),
            description="Step-Video-T2V by the reference model",
            parameters={"folder": str(folder)},
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """Settings with the defaults of the folder's sampling config.

        Raises:
            UsageError: An unknown setting, a value out of range, or a size that the model cannot make, with the nearest
                ones that it can. With `parallel`, also settings that cannot be shared.
        """
        resolved = resolve_settings(self.card.name, self.preset, settings)
        if self.parallel is not None:
            require_shareable(self.card.name, resolved, self.parallel)
        return resolved

    def generate(self, request: Request) -> Clip:
        """The clip of one request: on one machine, equal requests give equal bytes.

        Its frames are decoded as they are taken, usually 17 at a time, so memory does not grow with their number.

        Raises:
            UsageError: Weights that are missing, damaged, or do not fit the configs.
            EnvironmentUnfitError: The device is not there, or a server does not answer.
        """
        from reference_model.sampling.noise import seeded_noise

        settings = request.settings
        place = placement() if self.parallel is None else shared_placement(self.device)
        clock = StageClock(place.device)
        pipeline = self._pipeline(settings, place, clock)
        sampling = sampling_of(self.preset.sampling, settings)
        with served_elsewhere(), clock.stage("text_encode"):
            text = pipeline.encode_prompts([request.text], sampling, settings["negative_prompt"])
        with clock.stage("denoise"):
            noise = seeded_noise([request.seed], pipeline.latent_shape(sampling), sampling.compat)
            latents = pipeline.denoise(noise, *text, sampling)
        takes_part = self.parallel is None or decodes_here(self.parallel, settings)
        return Clip(
            frames=decoded_frames(pipeline.vae, latents, sampling.compat, clock) if takes_part else None,
            fps=sampling.fps,
            seconds=clock.seconds,
            peak_memory_bytes=clock.peak_memory_bytes,
        )

    def estimate(
        self,
        settings: Settings,
        *,
        tflops: float | None = None,
        parallel: ParallelConfig | None = None,
        bandwidth: float = BANDWIDTH,
    ) -> dict[str, Any]:
        """What one clip costs by formula, without loading weights.

        Args:
            settings: As `resolve` returned them.
            tflops: Sustained speed of the device in 10^12 operations per second; None leaves the time open.
            parallel: Also what it costs each of several devices.
            bandwidth: 10^9 bytes per second that each of them can receive.

        Raises:
            UsageError: A weights file without a readable header, a speed that is not above 0, or degrees of parallelism
                that do not fit the model or the settings.
        """
        return cost_record(self._folder, self.preset, settings, tflops=tflops, parallel=parallel, bandwidth=bandwidth)

    def _pipeline(self, settings: Settings, place: Placement, clock: StageClock) -> TextToVideoPipeline:
        key = (place, settings["dtype"], settings["fp8"], *(settings.get(url) for url in URLS))
        if self._loaded is None or self._loaded[0] != key:
            # The old weights must go before the new ones come.
            self._loaded = None
            with clock.stage("load"):
                self._loaded = (key, load_model(self._folder, self.preset, settings, place, self.parallel))
        return self._loaded[1]


def step_video_generator(argument: str) -> StepVideoGenerator:
    """Factory of the `step-video` family; the argument is a model folder, or the name of a packaged preset.

    Raises:
        UsageError: No such folder, configs that do not fit, or a preset whose weights are not in the package.
    """
    if argument in PACKAGED:
        try:
            return StepVideoGenerator(packaged_folder(argument), f"step-video:{argument}")
        except CheckpointError as error:
            raise UsageError(f"step-video:{argument}: {error.message}", hint=error.hint) from error
    folder = Path(argument).expanduser()
    if not argument or not folder.is_dir():
        raise UsageError(
            f"step-video: no model folder at {argument!r}", hint=f"{_HINT}, or one of {', '.join(PACKAGED)}"
        )
    return StepVideoGenerator(folder, f"step-video:{folder.resolve().name}")
