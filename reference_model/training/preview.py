"""Pictures of clips, written while a model trains."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

SHOWN_FRAMES = 5


def write_contact_sheet(file: Path, clips: UInt8[Tensor, "batch time 3 height width"]) -> None:
    """One clip per row, five frames spread evenly over its length."""
    times = torch.linspace(0, clips.shape[1] - 1, min(SHOWN_FRAMES, clips.shape[1])).round().long()
    sheet = clips[:, times].permute(0, 3, 1, 4, 2)  # clip, y, frame, x, colour
    sheet = sheet.flatten(0, 1).flatten(1, 2)
    Image.fromarray(sheet.numpy()).save(file)
