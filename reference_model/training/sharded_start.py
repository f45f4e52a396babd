"""The start of training in parts: a transformer is cut on the meta device, then every process reads its own parts."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from reference_model.checkpoint.configs import read_config
from reference_model.checkpoint.empty import without_values
from reference_model.checkpoint.layout import TRANSFORMER_STEM, ModelFolder
from reference_model.checkpoint.load import check_shapes
from reference_model.checkpoint.sources import SafetensorsSource
from reference_model.config import TransformerConfig
from reference_model.training import distributed
from reference_model.training.text_states import PromptedTransformer
from reference_model.transformer.model import StepVideoTransformer

ADAPTED = ".base_layer."
"""What `peft` puts into the names of weights that get adapters."""


class ShardedStart:
    """The transformer of a model folder, of which no process ever holds the whole.

    Args:
        root: Model folder.
        device: Where the parts end up.
        dtype: What they are cast to.

    Raises:
        CheckpointError: Files are missing or damaged, or do not fit their config.
    """

    def __init__(self, root: Path | str, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        folder = ModelFolder(Path(root))
        self._cfg = read_config(TransformerConfig, folder.transformer / "config.json")
        self._source = SafetensorsSource(folder.transformer, TRANSFORMER_STEM)
        self._device, self._dtype = device, dtype

    def transformer(self) -> StepVideoTransformer:
        """One without weights, to be given to `cut` once it has its adapters, if any.

        Raises:
            CheckpointError: A tensor is missing, unexpected or misshapen, by name.
        """
        with without_values():
            model = StepVideoTransformer(self._cfg)
        check_shapes(model, self._source)
        return model

    def cut(self, model: PromptedTransformer, *, whole: nn.Module | None = None) -> None:
        """Cuts a model, see `distributed.shard`, and fills its transformer; all processes call it alike."""
        from reference_model.parallel.load import replace_parameter

        distributed.shard(model, device=self._device, whole=whole)
        transformer = model.transformer
        names = {name.replace(ADAPTED, "."): name for name, value in transformer.named_parameters() if _is_empty(value)}
        for name, tensor in self._source.slices():
            replace_parameter(transformer, names[name], tensor, device=self._device, dtype=self._dtype)


def _is_empty(value: torch.Tensor) -> bool:
    return value.device.type == "meta"
