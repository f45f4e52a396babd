"""Many processes, one clip: parallelism applied from outside to finished models. Without this folder all else works."""

from reference_model.parallel.config import ParallelConfig

__all__ = ["ParallelConfig"]
