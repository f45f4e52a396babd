"""A package as an outsider would write it: a backbone of three numbers, and FVD on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from metrics import MetricCard
from metrics.errors import ClipError
from metrics.fvd import FVD


class MeanColours:
    """The mean of every colour, and one more number that depends on the order of the frames."""

    name = "toy"
    weights_hash = "0123456789ab"
    policy = "all-native"
    dimensions = 4

    def features(self, clips: Tensor) -> Tensor:
        if clips.shape[1] < 2:
            raise ClipError(f"the toy backbone needs at least 2 frames, got {clips.shape[1]}")
        levels = clips.double().mean(dim=(3, 4))
        weights = torch.arange(clips.shape[1], dtype=torch.float64)
        ordered = (levels.mean(dim=2) * weights).mean(dim=1)
        return torch.cat([levels.mean(dim=1), ordered[:, None]], dim=1).float()


class ToyFVD(FVD):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MeanColours(), **kwargs)

    @classmethod
    def card_for(cls, backbone: Any) -> MetricCard:
        return dataclasses.replace(super().card_for(backbone), name="toy_fvd")


def load(device: torch.device) -> MeanColours:
    return MeanColours()
