"""The stages that make the small models which ship with the package."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from reference_model.checkpoint import load_pipeline, load_vae
from reference_model.checkpoint.save import save_vae
from reference_model.training.data import to_float
from reference_model.training.latent_scale import fold_latent_scale
from stepbench.training.export import ORIGIN_FILE, exported_step
from stepbench.training.launch import choose_device
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.request import ExportDtype, TrainingRequest
from stepbench.training.session import train_stage
from stepbench.training.simulated_annotator import PREFERENCES_FILE, simulate_preferences

BASE = "tiny"
TURBO = "tiny-turbo"
PREFERRED = "tiny-dpo"

SCALE_CLIPS = 512
PREFERENCE_PROMPTS = 1000
PREFERENCE_CLIPS = 5
PREFERENCE_SEED = 7
"""Scenes of the training split, but others than those the transformer learned from."""


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where the stages read and write.

    Attributes:
        out: Everything is below it.
        device: See `choose_device`.
        deadline: Of this call, on the monotonic clock; None means no limit.
    """

    out: Path
    device: str
    deadline: float | None

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline, at least 0."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def model(self, name: str) -> Path:
        """Folder of a model that a stage makes."""
        return self.out / "models" / name


def train_vae(place: Workplace) -> bool:
    """The Video-VAE, with latents of unit variance at the end."""
    unscaled, scaled = place.model("vae-unscaled"), place.model("vae")
    if not _train(place, "vae", model=BASE, export=unscaled, dtype="float32"):
        return False
    if exported_step(scaled) != exported_step(unscaled):
        _scale_latents(place, unscaled, scaled)
    return True


def train_flow(place: Workplace) -> bool:
    """The transformer and its text encoders, by flow matching on the VAE's latents."""
    return _train(place, "flow", model=BASE, vae=place.model("vae"), export=place.model(BASE))


def distil(place: Workplace) -> bool:
    """A student that takes fewer steps."""
    return _train(place, "distill", model=str(place.model(BASE)), export=place.model(TURBO))


def simulate_votes(place: Workplace) -> bool:
    """Preferences of a simulated annotator between clips of the model."""
    pipeline = load_pipeline(place.model(BASE), dtype=torch.float32, device=choose_device(place.device))
    # What Video-DPO trains is the model without guidance, and that one makes more mistakes to learn from.
    pipeline.sampling = pipeline.sampling.changed(guidance_scale=1.0)
    return simulate_preferences(
        pipeline,
        MovingShapesClips("train", seed=PREFERENCE_SEED),
        place.out / "votes",
        prompts=PREFERENCE_PROMPTS,
        clips_per_prompt=PREFERENCE_CLIPS,
        max_seconds=place.seconds_left,
        progress=sys.stderr.isatty(),
    )


def prefer(place: Workplace) -> bool:
    """Video-DPO on these preferences."""
    votes = place.out / "votes" / PREFERENCES_FILE
    return _train(place, "dpo", model=str(place.model(BASE)), data=str(votes), export=place.model(PREFERRED))


STAGES: dict[str, Callable[[Workplace], bool]] = {
    "vae": train_vae,
    "flow": train_flow,
    "distill": distil,
    "votes": simulate_votes,
    "dpo": prefer,
}
"""In order; each goes on where it was stopped, and returns whether it is done."""


def _train(
    place: Workplace,
    stage: str,
    *,
    model: str,
    export: Path,
    data: str = "moving-shapes",
    vae: Path | None = None,
    dtype: ExportDtype = "float16",
) -> bool:
    request = TrainingRequest(
        stage=stage,
        model=model,
        data=data,
        out=place.out / stage,
        recipe=BASE,
        device=place.device,
        max_seconds=place.seconds_left,
        export=export,
        export_dtype=dtype,
        vae=vae,
    )
    outcome = train_stage(request)
    figures = ", ".join(f"{name} {value:.4g}" for name, value in outcome.figures.items() if name != "step")
    sys.stderr.write(f"{stage}: step {outcome.step} of {outcome.steps}; test: {figures or 'no figures yet'}\n")
    return outcome.is_complete


@torch.no_grad()
def _scale_latents(place: Workplace, source: Path, target: Path) -> None:
    vae = load_vae(source, dtype=torch.float32, device=choose_device(place.device)).eval()
    device, clips = next(vae.parameters()).device, MovingShapesClips("train")
    means = [vae.encode(to_float(clips[index].frames, device)[None]).mean for index in range(SCALE_CLIPS)]
    fold_latent_scale(vae, torch.cat(means).std(dim=(0, 1, 3, 4)))
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_vae(vae.half(), partial)
    shutil.copyfile(source / ORIGIN_FILE, partial / ORIGIN_FILE)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
