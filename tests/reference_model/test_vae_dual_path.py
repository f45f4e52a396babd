"""The parameter-free shortcuts, against index arithmetic written out."""

from __future__ import annotations

import pytest
import torch

from reference_model.vae.dual_path import (
    average_shortcut,
    channel_to_space,
    duplicate_shortcut,
    space_to_channel,
)


def test_space_to_channel_order():
    clip = torch.arange(2 * 3 * 4 * 2.0).reshape(1, 2, 3, 4, 2)
    folded = space_to_channel(clip, 2)
    assert folded.shape == (1, 16, 2, 2, 1)
    for channel in range(16):
        c, dt, dy, dx = channel // 8, channel // 4 % 2, channel // 2 % 2, channel % 2
        for t in range(2):
            for y in range(2):
                source = 2 * t + dt - 1  # one zero frame stands in front
                expected = clip[0, c, source, 2 * y + dy, dx] if source >= 0 else 0.0
                assert folded[0, channel, t, y, 0] == expected


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_channel_to_space_is_the_inverse(draw, factor):
    clip = draw(2, 2, factor + 1, 2 * factor, factor)  # with factor - 1 frames in front: two cubes in time
    assert torch.equal(channel_to_space(space_to_channel(clip, factor), factor), clip)


def test_average_takes_runs_of_consecutive_channels():
    clip = torch.arange(6.0).reshape(1, 6, 1, 1, 1)
    assert average_shortcut(clip, 3, 1).flatten().tolist() == [0.5, 2.5, 4.5]


def test_duplicate_repeats_channels_in_place():
    clip = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1)
    assert duplicate_shortcut(clip, 6, 1).flatten().tolist() == [1, 1, 1, 2, 2, 2]
    # 2 channels to 2 * 8: voxel cubes that are constant per channel, of which the second frame is kept.
    unfolded = duplicate_shortcut(clip, 2, 2)
    assert unfolded.shape == (1, 2, 1, 2, 2)
    assert unfolded.flatten().tolist() == [1.0] * 4 + [2.0] * 4


def test_average_undoes_duplicate(draw):
    latents = draw(1, 4, 3, 2, 2)
    torch.testing.assert_close(average_shortcut(duplicate_shortcut(latents, 12, 1), 4, 1), latents)
