"""A run into a TensorBoard log folder: scalars with intervals, hyperparameters, the report, clips that move."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from stepbench.reporting.markdown import markdown_text
from stepbench.runs.journal import saving
from stepbench.tracking.content import Logged, LoggedClip

GIF_SIDE = 320
"""Longest side of a moving picture; TensorBoard keeps them in its log, uncompressed between frames."""


def log_to_tensorboard(content: Logged, out: str, *, step: int) -> str:
    """Write event files into `out/RUN` and return the command that shows them.

    Raises:
        IncompleteError: The folder cannot be written.
    """
    from tensorboard.compat.proto import summary_pb2
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(out) / content.name
    with saving(folder):
        writer: Any = SummaryWriter(str(folder))
        with writer:
            means = {name: content.numbers[name] for name in _means(content)}
            for name, value in content.numbers.items():
                if name not in means:
                    writer.add_scalar(name, value, step)
            writer.add_custom_scalars(_bands(content))
            writer.add_text("report", markdown_text(content.report), step)
            # This writes the means as scalars too. A folder of its own would stand as a second run beside the scalars.
            writer.add_hparams(dict(content.parameters), means, run_name=".", global_step=step)
            for clip in content.clips:
                picture = _moving_picture(clip, summary_pb2)
                writer.file_writer.add_summary(picture, step)
    return f"tensorboard --logdir {out}"


def _means(content: Logged) -> list[str]:
    return [name for name in content.numbers if name.startswith("metric/") and name.count("/") == 1]


def _bands(content: Logged) -> dict[str, dict[str, list[Any]]]:
    """A chart with a band per metric: mean, lower and upper end over the steps."""
    charts = {
        name.partition("/")[2]: ["Margin", [name, f"{name}/low", f"{name}/high"]]
        for name in _means(content)
        if f"{name}/low" in content.numbers
    }
    return {"metrics with 95 % intervals": charts}


def _moving_picture(clip: LoggedClip, messages: Any) -> Any:
    """An image summary that holds a GIF, which TensorBoard plays."""
    from PIL import Image

    from stepbench.video import read_clip

    read = read_clip(clip.preview)
    images = [Image.fromarray(frame.transpose(1, 2, 0)) for frame in read.frames]
    for image in images:
        image.thumbnail((GIF_SIDE, GIF_SIDE))
    encoded = io.BytesIO()
    images[0].save(
        encoded, "GIF", save_all=True, append_images=images[1:], duration=max(20, round(1000 / read.fps)), loop=0
    )
    picture = messages.Summary.Image(
        height=images[0].height, width=images[0].width, colorspace=3, encoded_image_string=encoded.getvalue()
    )
    return messages.Summary(value=[messages.Summary.Value(tag=f"clips/{clip.name}", image=picture)])
