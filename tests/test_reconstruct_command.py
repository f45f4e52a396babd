"""What `stepbench reconstruct` says when clips or arguments do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stepbench.video import write_master


def test_the_command_shows_three_failures_and_counts_the_rest(tmp_path, stepbench):
    folder = tmp_path / "clips"
    folder.mkdir()
    write_master(folder / "good.mkv", np.zeros((2, 3, 16, 16), dtype=np.uint8), 8)
    for number in range(5):
        write_master(folder / f"odd{number}.mkv", np.zeros((2, 3, 15, 16), dtype=np.uint8), 8)
    ended = stepbench("reconstruct", "-M", "h264:20", "-t", folder)
    assert ended.code == 3
    assert ended.err.count("even height and width") == 3
    assert "... and 2 more: stepbench show runs/clips-reconstruct-h264-20-" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-M", "h264:20", "-t", "nowhere"), 2, "no clips at 'nowhere': neither a run, nor a folder"),
        (("-M", "h264:20", "-t", "empty"), 5, "holds no video file"),
        (("-M", "h264:20", "-t", "step-essentials"), 2, "'step-essentials' has prompts and no clips"),
        (("-M", "h264:20", "-t", "moving-shapes", "--seeds", "x"), 2, "seeds must look like"),
        (("-M", "h264:20", "-t", "moving-shapes", "--crop", "17x64"), 2, "--crop must be FRAMESxHEIGHTxWIDTH"),
        (("-M", "h264:20", "-t", "moving-shapes", "--crop", "0x8x8"), 2, "at least one pixel, got 0x8x8"),
        (("-M", "h264:20", "-t", "moving-shapes", "--workers", "0"), 2, "workers must be at least 1"),
        (("-M", "h265:20", "-t", "moving-shapes"), 2, "no autoencoder family 'h265'"),
        (("-M", ",", "-t", "moving-shapes"), 2, "no autoencoder is given"),
    ],
)
def test_calls_that_cannot_be_served(stepbench, arguments, code, message):
    Path("empty").mkdir()
    ended = stepbench("reconstruct", *arguments)
    assert ended.code == code
    assert message in ended.err
    assert not Path("runs").exists()
