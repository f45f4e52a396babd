"""What the transformer is told beside the latents: time, text, and optionally size and frame rate."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.config import TransformerConfig

SINUSOID_WIDTH = 256
TRAIN_TIMESTEPS = 1000


def sinusoid(values: Float[Tensor, " n"]) -> Float[Tensor, "n 256"]:
    """float32 features [cos(v w_0), ..., cos(v w_127), sin(v w_0), ...] with `w_j = 10000^(-j/128)`."""
    half = SINUSOID_WIDTH // 2
    exponents = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=values.device) / half
    # Times reach 1000, so one unit in the last place of a frequency shows: these are float32 throughout, as released.
    angles = values.float()[:, None] * exponents.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def scaled_time(timestep: Float[Tensor, " n"], dtype: torch.dtype, *, rounded: bool) -> Float[Tensor, " n"]:
    """Times in [0, 1] times 1000; `rounded` takes time and product in `dtype`, as the released model does."""
    return (timestep.to(dtype) if rounded else timestep.float()) * TRAIN_TIMESTEPS


def visible_words(
    mask: Int[Tensor, "batch words"] | Bool[Tensor, "batch words"] | Float[Tensor, "batch words"],
    dtype: torch.dtype,
    *,
    upstream: bool,
) -> Bool[Tensor, "batch words"]:
    """Which words each sample may attend to.

    The released model uses the mask only through its sum: the first `sum(mask)` words are visible wherever the ones
    are, and the sum is rounded to the dtype of the activations. In bfloat16 sums above 256 become even: of 259 valid
    words a sample sees 260, of 257 it sees 256. Otherwise the mask itself decides.
    """
    if not upstream:
        return mask.bool()
    lengths = mask.float().sum(dim=1).to(dtype).float()
    return torch.arange(mask.shape[1], device=mask.device) < lengths[:, None]


class Embedder(nn.Module):
    """Linear, SiLU, linear: from sinusoid features to a vector of the model's width."""

    def __init__(self, width: int, in_width: int = SINUSOID_WIDTH) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """Features are cast to the dtype of the weights."""
        return self.linear_2(F.silu(self.linear_1(features.to(self.linear_1.weight.dtype))))


class CombinedEmbedder(nn.Module):
    """Embeds time, and with `use_additional_conditions` also resolution, number of latent frames and frame rate."""

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.rounded_time = cfg.compat == "upstream"
        self.timestep_embedder = Embedder(cfg.width)
        self.resolution_embedder = Embedder(cfg.width // 2) if cfg.use_additional_conditions else None
        self.nframe_embedder = Embedder(cfg.width) if cfg.use_additional_conditions else None
        self.fps_embedder = Embedder(cfg.width) if cfg.use_additional_conditions else None

    def forward(
        self,
        timestep: Float[Tensor, " batch"],
        grid: tuple[int, int, int],
        fps: Float[Tensor, " batch"] | None,
        dtype: torch.dtype,
    ) -> Float[Tensor, "batch dim"]:
        """Sum of the embeddings.

        Args:
            timestep: Times in [0, 1].
            grid: Tokens along (t, y, x).
            fps: Frames per second, or None to leave them out.
            dtype: Of the activations.
        """
        embedded = self.timestep_embedder(sinusoid(scaled_time(timestep, dtype, rounded=self.rounded_time)))
        if self.resolution_embedder is not None and self.nframe_embedder is not None:
            frames, height, width = (torch.tensor([float(size)], device=timestep.device) for size in grid)
            sides = [self.resolution_embedder(sinusoid(side)) for side in (height, width)]
            embedded = embedded + torch.cat(sides, dim=-1) + self.nframe_embedder(sinusoid(frames))
        if self.fps_embedder is not None and fps is not None:
            embedded = embedded + self.fps_embedder(sinusoid(fps))
        return embedded


class AdaLNSingle(nn.Module):
    """Turns the embedding into the modulation that all blocks share."""

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.emb = CombinedEmbedder(cfg)
        self.linear = nn.Linear(cfg.width, 6 * cfg.width)

    def forward(
        self,
        timestep: Float[Tensor, " batch"],
        grid: tuple[int, int, int],
        fps: Float[Tensor, " batch"] | None,
        dtype: torch.dtype,
    ) -> tuple[Float[Tensor, "batch 6 dim"], Float[Tensor, "batch dim"]]:
        """Returns (modulation for the blocks, embedding for the output head)."""
        embedded = self.emb(timestep, grid, fps, dtype)
        return self.linear(F.silu(embedded)).unflatten(-1, (6, -1)), embedded


class CaptionProjection(nn.Module):
    """Linear, GELU (tanh form), linear: from the width of Step-LLM to the width of the model."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "batch words in_width"]) -> Float[Tensor, "batch words dim"]:
        """Acts on every word by itself."""
        return self.linear_2(F.gelu(self.linear_1(x), approximate="tanh"))
