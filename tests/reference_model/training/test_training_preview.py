"""The layout of contact sheets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from reference_model.training.preview import write_contact_sheet


@pytest.mark.parametrize(
    ("length", "shown"), [(1, [0]), (3, [0, 1, 2]), (17, [0, 4, 8, 12, 16]), (34, [0, 8, 16, 25, 33])]
)
def test_one_row_per_clip_one_column_per_frame(tmp_path, length, shown):
    generator = torch.Generator().manual_seed(0)
    clips = torch.randint(0, 256, (2, length, 3, 4, 6), dtype=torch.uint8, generator=generator)
    write_contact_sheet(tmp_path / "sheet.png", clips)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 4, len(shown) * 6, 3)
    for row, clip in enumerate(clips):
        for column, time in enumerate(shown):
            tile = sheet[4 * row : 4 * row + 4, 6 * column : 6 * column + 6]
            assert np.array_equal(tile.transpose(2, 0, 1), clip[time])
