"""Networks that turn single frames into vectors, for consistency over time: DINO, DINOv2, and CLIP's image tower."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn

from metrics.backbones.frame_recipe import FrameRecipe
from metrics.backbones.hub_towers import embed_frames, pooled
from metrics.backbones.published_model import PublishedModel, open_folder
from metrics.errors import MetricError

Profile = Literal["strict", "vbench"]

_CLASSES = {"vit": "ViTModel", "dinov2": "Dinov2Model", "clip": "CLIPModel"}
"""`model_type` in `config.json` -> class in `transformers`."""


class FrameEncoder:
    """One network under one profile. Making the object reads the folder's configs and no weights.

    DINO and DINOv2 see the whole frame: its shorter side as long as in the published recipe, aspect kept, nothing
    cropped, positions interpolated to the longer side. CLIP sees the centre, as published.

    Args:
        folder: The published model.
        profile: `strict` resizes as the network's publisher does; `vbench` as VBench does, with the positions and the
            normalisation of the original DINO code, which the conversion of its weights to `transformers` changed.

    Raises:
        UnavailableMetricError: The folder holds another kind of network.
        MetricError: VBench has no such network.
    """

    def __init__(self, folder: PublishedModel, profile: Profile) -> None:
        self.kind = str(folder.config.get("model_type"))
        if self.kind not in _CLASSES:
            raise folder.unusable(f"model_type {self.kind!r} is not one of {', '.join(_CLASSES)}")
        if profile == "vbench" and self.kind == "dinov2":
            raise MetricError("VBench has no DINOv2", hint="take profile='strict', or the weights dino-vitb16")
        self.folder = folder
        self.profile = profile
        self.name = folder.name

    @property
    def weights_hash(self) -> str:
        """See `PublishedModel.hash`."""
        return self.folder.hash

    @cached_property
    def recipe(self) -> FrameRecipe:
        """How frames are prepared."""
        recipe = self.folder.recipe if self.kind == "clip" else self.folder.recipe.without_crop()
        return recipe.as_vbench() if self.profile == "vbench" else recipe

    @property
    def policy(self) -> str:
        """For metric ids; ends in `vbench` for that profile."""
        return f"all-{self.recipe.policy}"

    @cached_property
    def model(self) -> Any:
        """The network, loaded when it is first needed."""
        import transformers

        # ViT's pooling layer belongs to another training and is not in these weights.
        options = {"add_pooling_layer": False} if self.kind == "vit" else {}
        model = self.folder.load_model(getattr(transformers, _CLASSES[self.kind]), **options)
        if self.kind == "vit" and self.profile == "vbench":
            _use_original_dino(model)
        return model

    def embed_clip(self, frames: UInt8[Tensor, "t 3 h w"]) -> Float64[Tensor, "t d"]:
        """Unit vectors of frames, on the CPU; computed on the device of `frames`."""
        return embed_frames(frames, self.recipe.apply, self._features)

    def _features(self, pixels: Tensor) -> Tensor:
        model = self.model.to(pixels.device)
        if self.kind == "clip":
            return pooled(model.get_image_features(pixel_values=pixels))
        options = {"interpolate_pos_encoding": True} if self.kind == "vit" else {}
        return model(pixel_values=pixels, **options).last_hidden_state[:, 0]


def find_encoder(weights: str | Path, profile: str) -> FrameEncoder:
    """The encoder of these weights; the same object for as long as the files stay the same, so it is loaded once.

    Args:
        weights: A name in `metrics.weights.WEIGHTS`, or a folder of the same kind.
        profile: `strict` or `vbench`.

    Raises:
        MetricError: There is no such profile, or VBench has no such network.
        UnavailableMetricError: The weights are not there, or of a kind that is not known here.
    """
    if profile != "strict" and profile != "vbench":
        raise MetricError(f"profile must be 'strict' or 'vbench', got {profile!r}")
    folder = open_folder(weights)
    return _encoder(folder.name, folder.path, folder.path.stat().st_mtime_ns, profile)


@lru_cache(maxsize=4)
def _encoder(name: str, path: Path, changed: int, profile: Profile) -> FrameEncoder:
    return FrameEncoder(PublishedModel(path, name), profile)


def _use_original_dino(model: Any) -> None:
    """Give a ViT of `transformers` the positions and the epsilon of the code that DINO was published with."""
    table: Tensor = model.embeddings.position_embeddings
    patch = model.config.patch_size

    def positions(tokens: Tensor, height: int, width: int) -> Tensor:
        grid = height // patch, width // patch
        return table if grid[0] * grid[1] == table.shape[1] - 1 and height == width else dino_positions(table, grid)

    model.embeddings.interpolate_pos_encoding = positions
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6


def dino_positions(table: Float[Tensor, "1 trained d"], grid: tuple[int, int]) -> Float[Tensor, "1 tokens d"]:
    """Position vectors for another grid of patches, as github.com/facebookresearch/dino interpolates them.

    The patches' square is resampled bicubically by the factors (rows + 0.1) / side and (columns + 0.1) / side, so its
    places are not quite where the sizes alone would put them. The first vector belongs to no patch and stays.
    """
    side = math.isqrt(table.shape[1] - 1)
    square = table[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    factors = [(count + 0.1) / side for count in grid]
    resampled = F.interpolate(square, scale_factor=factors, mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1], resampled.flatten(2).transpose(1, 2)], dim=1)
