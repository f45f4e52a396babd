"""`step-video:FOLDER`: the Video-VAE of a Step-Video model folder, released or trained here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reference_model.errors import CheckpointError
from reference_model.packaged import PACKAGED, packaged_folder
from stepbench import __version__
from stepbench.autoencoders.protocol import Code, UnsuitableClipError
from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import UsageError
from stepbench.generators.placement import read_placement
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.records import GeneratorCard, Settings

if TYPE_CHECKING:
    from reference_model import VideoVAE
    from stepbench.video import VideoClip

DTYPES = ("float32", "bfloat16", "float16")
OFFLOADS = ("none", "stages")
"""Known to the generator of this name, which shares the environment; a VAE alone has nothing to offload."""
_CROP = "--crop FRAMESxHEIGHTxWIDTH cuts clips to a size that works, such as 17x256x256"


class StepVideoVAE:
    """A Video-VAE of `reference_model`. The code is the mean of the posterior, as numbers of `latent_dtype`.

    Settings: `dtype` of the computation (float32), `latent_dtype` of the stored code (float16), which is also what gets
    decoded, so the bits that are counted are the bits that are used. `STEPBENCH_STEP_VIDEO_DEVICE` in the environment
    says where it runs: a GPU if there is one.

    Args:
        folder: A model folder in the released layout; only its `vae` part is needed.
        name: What tables call it.

    Raises:
        UsageError: The folder holds no VAE, or weights that do not fit its config.
    """

    def __init__(self, folder: Path, name: str) -> None:
        from reference_model.checkpoint import load_vae
        from reference_model.checkpoint.layout import ModelFolder
        from reference_model.errors import ReferenceModelError

        try:
            # Reads and checks every tensor, and keeps none: workers load their own.
            cfg = load_vae(folder, device="meta").cfg
        except ReferenceModelError as error:
            raise UsageError(f"step-video: {error.message}", hint=error.hint or "give a whole model folder") from error
        weights = sha256_file(ModelFolder(folder).vae_weights)
        self._folder = folder
        self._loaded: dict[tuple[str, str], VideoVAE] = {}
        self.card = GeneratorCard(
            name=name,
            revision=f"reference_model {__version__}",
            weights_hash=sha256_json({"config": cfg.to_dict(), "weights": weights}),
            description="Video-VAE of Step-Video-T2V; bits of the posterior's mean in latent_dtype",
            parameters={"z_channels": cfg.z_channels},
        )

    def resolve(self, settings: Settings) -> dict[str, Any]:
        """Settings with defaults filled in.

        Raises:
            UsageError: An unknown setting, or a type that is not in `DTYPES`.
            EnvironmentUnfitError: The device is not there.
        """
        defaults = {"dtype": "float32", "latent_dtype": "float16"}
        refuse_unknown_settings(self.card.name, settings, defaults)
        resolved = {**defaults, **settings}
        for name, value in resolved.items():
            if value not in DTYPES:
                raise UsageError(f"{self.card.name} has no {name} {value!r}", hint=f"choose from {', '.join(DTYPES)}")
        _device()
        return resolved

    def prepare(self, settings: Settings) -> None:
        """Load the weights onto the device."""
        self._vae(settings)

    def encode(self, clip: VideoClip, settings: Settings) -> Code:
        """Latents (1, f, z, h / 16, w / 16) on the CPU.

        Raises:
            UnsuitableClipError: A side that is no multiple of 16, a number of frames that latents cannot give back, or
                latents beyond the range of `latent_dtype`.
        """
        import torch

        from reference_model.errors import ShapeError
        from reference_model.vae.lengths import latent_frames, pixel_frames

        frames = clip.frames.shape[0]
        given_back = pixel_frames(latent_frames(frames) or 0)
        if given_back not in (0, frames):
            raise UnsuitableClipError(f"latents of {frames} frames decode to {given_back}; {_CROP}")
        pixels = torch.from_numpy(clip.frames)[None].to(_device()) / 127.5 - 1
        try:
            with torch.inference_mode():
                latents = self._vae(settings).encode(pixels).mean
        except ShapeError as error:
            raise UnsuitableClipError(f"{error.message}; {_CROP}") from error
        stored = latents.to(getattr(torch, settings["latent_dtype"])).cpu()
        if not stored.isfinite().all():
            raise UnsuitableClipError(f"latents are not finite in {settings['latent_dtype']}")
        return Code(data=stored, bits=stored.numel() * stored.element_size() * 8)

    def decode(self, code: Code, settings: Settings) -> np.ndarray:
        """Frames of latents, rounded to the nearest level; beside them, memory does not grow with the clip."""
        import torch

        from reference_model.sampling.pixels import to_uint8

        with torch.inference_mode():
            chunks = [to_uint8(chunk[0], "precise").cpu() for chunk in self._vae(settings).decode_chunks(code.data)]
        return torch.cat(chunks).numpy()

    def _vae(self, settings: Settings) -> VideoVAE:
        import torch

        from reference_model.checkpoint import load_vae

        key = (_device(), settings["dtype"])
        if key not in self._loaded:
            device, dtype = key
            self._loaded = {key: load_vae(self._folder, device=device, dtype=getattr(torch, dtype)).eval()}
        return self._loaded[key]


def _device() -> str:
    return read_placement("STEPBENCH_STEP_VIDEO", OFFLOADS).device


def step_video_autoencoder(argument: str) -> StepVideoVAE:
    """Factory of the `step-video` family; the argument is a model folder, or the name of a packaged preset.

    Raises:
        UsageError: No such folder, no VAE in it, or a preset whose weights are not in the package.
    """
    if argument in PACKAGED:
        try:
            return StepVideoVAE(packaged_folder(argument), f"step-video:{argument}")
        except CheckpointError as error:
            raise UsageError(f"step-video:{argument}: {error.message}", hint=error.hint) from error
    folder = Path(argument).expanduser()
    if not argument or not folder.is_dir():
        raise UsageError(
            f"step-video: no model folder at {argument!r}",
            hint=f"give a folder in the layout of the release, or one of {', '.join(PACKAGED)}",
        )
    return StepVideoVAE(folder, f"step-video:{folder.resolve().name}")
