"""Step distillation: a student that takes fewer steps of the same sampler, and no guidance.

Rectified flow a second time (Liu et al. 2023, "Flow Straight and Fast", section 2.2), as the Step-Video report does for
its Turbo model: the teacher samples clips with many steps and guidance, and the student learns the straight line from
each clip's own noise to it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from reference_model.config import SamplingConfig
from reference_model.errors import ConfigError
from reference_model.sampling.noise import seeded_noise
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.training.cache import claim_folder, read_tensors, state_digest, write_tensors
from reference_model.training.data import clip_indices, step_generator
from reference_model.training.flow import TESTED_TOGETHER, Evaluation, velocity_error
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.text_states import Latents, PromptedTransformer

INDEX_FILE = "teacher.json"


@dataclass(frozen=True, kw_only=True)
class DistillRecipe(TrainingRecipe):
    """Recipe of step distillation.

    Attributes:
        edge_emphasis: Times of training have density proportional to `cosh(a (t - 1/2))`, more near both ends
            (the U shape of Lee et al. 2024, "Improving the Training of Rectified Flows"); 0 is uniform.
        held_out: Pairs at the end of the store that are kept for the test loss.
    """

    edge_emphasis: float = 4.0
    held_out: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        # Beyond it, float32 has no place for the hyperbolic functions.
        self._require(0 <= self.edge_emphasis <= 100, "edge_emphasis must be 0 to 100", "edge_emphasis")
        self._require(self.held_out >= 0, "held_out must not be negative", "held_out")


@dataclass(frozen=True, kw_only=True)
class TeacherPairs:
    """What the teacher made.

    Attributes:
        prompts: One per pair, without magic.
        latents: The teacher's clips.
        noise: What each was sampled from.
        fps: Frames per second of all clips.
    """

    prompts: list[str]
    latents: Latents
    noise: Latents
    fps: float = 25.0

    def __len__(self) -> int:
        return len(self.prompts)


def sample_pairs(
    teacher: TextToVideoPipeline,
    prompts: Sequence[str],
    sampling: SamplingConfig,
    folder: Path,
    *,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = True,
) -> TeacherPairs:
    """Samples one clip's latents per prompt; batches that are on disk already are read.

    Args:
        teacher: Its VAE is not used.
        prompts: One pair each; the same prompt may come again, its noise will be another.
        sampling: The teacher's settings, guidance included.
        folder: Of the batches; belongs to this teacher and these settings.
        batch_size: Samples denoised together.
        seed: Of the noise: pair i has seed `seed + i`.
        progress: Show a bar on stderr.

    Raises:
        CheckpointError: If the folder holds pairs of another teacher or other settings, or is damaged.
        ConfigError: Without prompts.
    """
    if not prompts:
        raise ConfigError("the teacher needs at least one prompt")
    claim_folder(folder / INDEX_FILE, {"teacher": _digest(teacher), "sampling": sampling.to_dict(), "seed": seed})
    shape = teacher.latent_shape(sampling)
    noise = seeded_noise(range(seed, seed + len(prompts)), shape, sampling.compat)
    latents = []
    starts = range(0, len(prompts), batch_size)
    for start in track(starts, description="sampling", console=Console(stderr=True), disable=not progress):
        chosen = list(prompts[start : start + batch_size])
        asked = hashlib.sha256(json.dumps(chosen).encode()).hexdigest()
        file = folder / f"pairs-{start:08d}-{asked[:16]}.safetensors"
        if not file.is_file():
            texts = teacher.encode_prompts(chosen, sampling)
            made = teacher.denoise(noise[start : start + len(chosen)], *texts, sampling)
            write_tensors(file, {"latents": made.half()})
        latents.append(read_tensors(file)[0]["latents"].float())
    return TeacherPairs(prompts=list(prompts), latents=torch.cat(latents), noise=noise, fps=sampling.fps)


class DistillTask:
    """See `TrainingTask`.

    Args:
        student: Starts from the teacher's weights.
        recipe: Settings.
        pairs: The last `recipe.held_out` are for the test loss.
        judge: Further figures, for instance on clips that the student samples.

    Raises:
        ConfigError: If no pair is left to learn from.
    """

    def __init__(
        self,
        student: PromptedTransformer,
        recipe: DistillRecipe,
        pairs: TeacherPairs,
        judge: Evaluation | None = None,
    ) -> None:
        self.model = student
        self.recipe = recipe
        self.pairs = pairs
        self.judge = judge
        if recipe.held_out >= len(pairs):
            raise ConfigError(
                f"held_out must be below the number of pairs, got {recipe.held_out} of {len(pairs)}",
                hint="sample more pairs, or hold out fewer",
            )

    def batch(self, step: int, samples: Sequence[int]) -> list[int]:
        """Numbers of pairs."""
        size = len(self.pairs) - self.recipe.held_out
        indices = clip_indices(step, self.recipe.batch_size, size, self.recipe.seed)
        return [indices[sample] for sample in samples]

    def loss(
        self, model: nn.Module, batch: list[int], step: int, samples: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Squared error of the velocity along the straight line of each pair."""
        draws = [torch.rand((), generator=step_generator(self.recipe.seed, _TIME, step, sample)) for sample in samples]
        return self._error(model, batch, torch.stack(draws)).mean(), {}

    def evaluate(self, folder: Path, step: int) -> dict[str, float]:
        """Loss on held-out pairs at evenly spread times, and the judge's figures."""
        figures = {}
        if self.recipe.held_out:
            indices = torch.arange(len(self.pairs) - self.recipe.held_out, len(self.pairs))
            draws = (torch.arange(len(indices)) + 0.5) / len(indices)
            parts = zip(indices.split(TESTED_TOGETHER), draws.split(TESTED_TOGETHER), strict=True)
            figures["loss"] = (
                torch.cat([self._error(self.model, part.tolist(), some) for part, some in parts]).mean().item()
            )
        return figures | (self.judge(folder, step) if self.judge else {})

    def _error(self, model: nn.Module, indices: list[int], draws: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        device = next(self.model.parameters()).device
        times = emphasise_edges(draws, self.recipe.edge_emphasis).to(device)
        data, noise = self.pairs.latents[indices].to(device), self.pairs.noise[indices].to(device)
        prompts = [self.pairs.prompts[index] for index in indices]
        return velocity_error(model, data, noise, times, prompts, torch.full_like(times, self.pairs.fps))


_TIME = 20


def emphasise_edges(uniform: Float[Tensor, "*shape"], strength: float) -> Float[Tensor, "*shape"]:
    """Times with density proportional to `cosh(a (t - 1/2))` from uniform draws, by inverting the distribution."""
    if strength == 0:
        return uniform
    return 0.5 + torch.asinh((2 * uniform - 1) * math.sinh(strength / 2)) / strength


def _digest(teacher: TextToVideoPipeline) -> str:
    # Text encoders in another process have no weights here; they do not change along with a transformer's training.
    parts = [part for part in (teacher.transformer, teacher.text_encoder) if isinstance(part, nn.Module)]
    return state_digest(nn.ModuleList(parts))
