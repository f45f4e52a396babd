"""How many processes share one clip, and in which way; plain numbers, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from reference_model.config import TransformerConfig
from reference_model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ParallelConfig:
    """Degrees of parallelism. Their product is the number of processes, and none of them changes what a clip shows.

    Attributes:
        tensor: Every linear layer of the transformer's blocks is cut into so many parts, by heads.
        ulysses: Video tokens are cut into so many runs; attention exchanges them for heads.
        guidance: The two texts of classifier-free guidance are computed side by side, by half of the processes each.
        vae: Chunks of latent frames are decoded by all processes, not by each on its own.

    Raises:
        ConfigError: For a degree that is no whole number from 1 up.
    """

    tensor: int = 1
    ulysses: int = 1
    guidance: bool = False
    vae: bool = True

    def __post_init__(self) -> None:
        for name in ("tensor", "ulysses"):
            degree = getattr(self, name)
            if not isinstance(degree, int) or isinstance(degree, bool) or degree < 1:
                raise ConfigError(f"{name} must be a whole number from 1 up, got {degree!r}", hint="1 means not at all")

    @property
    def processes(self) -> int:
        """How many processes it takes, one per GPU."""
        return (2 if self.guidance else 1) * self.ulysses * self.tensor

    def __str__(self) -> str:
        return f"guidance {2 if self.guidance else 1} x ulysses {self.ulysses} x tensor {self.tensor}"

    def require_heads(self, cfg: TransformerConfig) -> None:
        """Stops unless every process gets the same number of attention heads.

        Raises:
            ConfigError: If tensor times ulysses does not divide the heads, with the products that do.
        """
        heads, together = cfg.num_attention_heads, self.ulysses * self.tensor
        if heads % together:
            legal = ", ".join(str(n) for n in range(1, heads + 1) if heads % n == 0)
            raise ConfigError(
                f"ulysses x tensor must divide the {heads} attention heads, got {self.ulysses} x {self.tensor}",
                hint=f"the product may be {legal}; spread the rest of the GPUs over guidance and over several clips",
            )

    def require_processes(self, started: int) -> None:
        """Stops unless as many processes were started as the degrees need.

        Raises:
            ConfigError: If not, with the way to start them.
        """
        if started != self.processes:
            takes = "1 process" if self.processes == 1 else f"{self.processes} processes"
            raise ConfigError(
                f"{self} takes {takes}, but {started} {'was' if started == 1 else 'were'} started",
                hint=f"start torchrun --standalone --nproc-per-node {self.processes}, or choose degrees whose product "
                f"is {started}",
            )


def text_degree(processes: int, groups: int) -> int:
    """Into how many parts Step-LLM is cut: as many as fit both the processes and its groups of keys and values."""
    return max(n for n in range(1, groups + 1) if groups % n == 0 and processes % n == 0)
