"""Small real clips, and suites to hold them against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from stepbench.records import Prompt, Suite, SuiteCard
from stepbench.video import write_preview


def pictures(frames: int, shade: int) -> np.ndarray:
    """uint8 (frames, 3, 32, 32): a bright bar that moves over a background of the given shade."""
    clip = np.full((frames, 3, 32, 32), shade, dtype=np.uint8)
    for index in range(frames):
        clip[index, :, :, index * 2 % 32] = 255
    return clip


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    """Write an H.264 clip, whatever the path's ending says: (path, frames=6, shade=40, fps=8) -> path."""

    def make(path: Path, frames: int = 6, shade: int = 40, fps: float = 8) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_preview(path, pictures(frames, shade), fps)
        return path

    return make


@pytest.fixture
def make_gif() -> Callable[..., Path]:
    """Write a GIF: (path, frames=5) -> path."""

    def make(path: Path, frames: int = 5) -> Path:
        with av.open(str(path), "w", format="gif") as container:
            stream = container.add_stream("gif", rate=10)
            stream.height, stream.width, stream.pix_fmt = 32, 32, "rgb8"
            for picture in pictures(frames, 90):
                image = np.ascontiguousarray(picture.transpose(1, 2, 0))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def make_suite() -> Callable[..., Suite]:
    """A suite of texts, or of (text, category): ids p0, p1 ..."""

    def make(*texts: str | tuple[str, str], tags: tuple[str, ...] = ()) -> Suite:
        pairs = [(text, "general") if isinstance(text, str) else text for text in texts]
        prompts = tuple(
            Prompt(id=f"p{number}", text=text, language="en", category=category, tags=tags)
            for number, (text, category) in enumerate(pairs)
        )
        card = SuiteCard(
            name="s", version="1", title="s", licence="CC0-1.0", languages=("en",), source="here", citation="none"
        )
        return Suite(card=card, prompts=prompts)

    return make
