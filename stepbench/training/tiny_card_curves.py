"""Training curves of one model card as a small picture, from the logs of its runs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas as pd

from stepbench.errors import EnvironmentUnfitError
from stepbench.training.obedience import GRADED
from stepbench.training.run_record import TEST_PREFIX
from stepbench.training.tiny_card_runs import TrainingRun

if TYPE_CHECKING:
    import altair as alt

COLUMNS = 2
WIDTH, HEIGHT = 330, 170
"""Of one panel, in units of which `SCALE` pixels are drawn."""
SCALE = 1.5
PALETTE_SIZE = 128
SMOOTHED_PARTS = 30
"""What is logged of single batches is averaged over a window of so small a part of the run."""

COLOURS = ("#1f6fb4", "#d9480f", "#2b8a3e", "#862e9c", "#a07000", "#111111")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Some columns of a log.

    Attributes:
        title: Above the panel.
        unit: Beside its axis; what all lines measure.
        lines: Column -> name in the legend. Columns that the log does not have are left out, held-out ones are drawn
            with a point for each look.
        log_scale: Of the axis of values.
        reference: A value to compare with, drawn dashed.
    """

    title: str
    unit: str
    lines: Mapping[str, str]
    log_scale: bool = False
    reference: float | None = None


_LOSS = {"loss": "training", "test_loss": "held out"}
_ATTRIBUTES = {f"{TEST_PREFIX}{name}": name for name in GRADED}
_OBEYED = {**_ATTRIBUTES, "test_obeyed": "mean"}

PANELS: dict[str, Sequence[Panel]] = {
    "vae": (
        Panel(
            title="VAE: reconstruction",
            unit="PSNR (dB)",
            lines={"psnr": "training", "test_psnr": "held out", "test_psnr_moving": "held out, moving pixels"},
        ),
        Panel(title="VAE: what the checker finds in reconstructions", unit="share right", lines=_ATTRIBUTES),
    ),
    "flow": (
        Panel(title="Transformer: flow matching", unit="squared error", lines=_LOSS, log_scale=True),
        Panel(title="Transformer: held-out captions obeyed", unit="share right", lines=_OBEYED),
    ),
    "distill": (
        Panel(title="Distillation: the teacher's straight lines", unit="squared error", lines=_LOSS, log_scale=True),
        Panel(title="Distillation: held-out captions obeyed", unit="share right", lines=_OBEYED),
    ),
    "dpo": (
        Panel(title="DPO: loss", unit="loss", lines=_LOSS),
        Panel(
            title="DPO: pairs ranked as the annotator did",
            unit="share of pairs",
            lines={"accuracy": "training", "test_accuracy": "held out"},
            reference=0.5,
        ),
        Panel(
            title="DPO: implicit margin",
            unit="winner over loser",
            lines={"margin": "training", "test_margin": "held out"},
            reference=0.0,
        ),
        Panel(
            title="DPO: error above the reference's",
            unit="squared error, held out",
            lines={"test_winner_drift": "on winners", "test_loser_drift": "on losers"},
            reference=0.0,
        ),
    ),
}
"""Stage -> what is drawn of it."""


def draw_curves(runs: Sequence[TrainingRun]) -> bytes:
    """A PNG with the panels of all runs, two in a row.

    Raises:
        EnvironmentUnfitError: The package that turns charts into pictures is not installed.
    """
    if find_spec("vl_convert") is None:
        raise EnvironmentUnfitError(
            "pictures of curves need the package vl-convert-python", hint="pip install 'stepbench[train]'"
        )
    import altair as alt

    charts = [chart for run in runs for panel in PANELS[run.stage] if (chart := _chart(run, panel)) is not None]
    picture = alt.concat(*charts, columns=COLUMNS, spacing=26).resolve_scale(color="independent")
    picture = picture.configure(background="white", padding=10, font="DejaVu Sans, Arial, sans-serif")
    buffer = io.BytesIO()
    picture.save(buffer, format="png", scale_factor=SCALE)
    return _with_palette(buffer.getvalue())


def curve_points(log: pd.DataFrame, lines: Mapping[str, str]) -> pd.DataFrame:
    """What a panel shows: columns step, value, line and held_out.

    Figures of single batches are averaged over a window of the run; those on held-out data stay as they are.
    """
    parts = []
    for column, name in lines.items():
        if column not in log:
            continue
        values, held_out = log[column], column.startswith(TEST_PREFIX)
        if not held_out:
            values = values.rolling(max(1, len(log) // SMOOTHED_PARTS), min_periods=1, center=True).mean()
        part = pd.DataFrame({"step": log["step"], "value": values, "line": name, "held_out": held_out})
        parts.append(part.dropna())
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["step", "value", "line", "held_out"])


def _chart(run: TrainingRun, panel: Panel) -> alt.LayerChart | alt.FacetChart | None:
    import altair as alt

    points = curve_points(run.log, panel.lines)
    if points.empty:
        return None
    names = [name for name in panel.lines.values() if name in set(points["line"])]
    scale: Any = alt.Scale(type="log", nice=False) if panel.log_scale else alt.Scale(zero=False)
    colour = alt.Color(
        "line:N",
        sort=names,
        scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])),
        legend=alt.Legend(
            title=None, orient="bottom", columns=6, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1
        ),
    )
    base = alt.Chart(points).encode(
        x=alt.X(
            "step:Q",
            title="step",
            scale=alt.Scale(domain=[0, run.steps]),
            axis=alt.Axis(format=",d", tickCount=5, grid=False),
        ),
        y=alt.Y("value:Q", title=panel.unit, scale=scale, axis=alt.Axis(tickCount=6)),
        color=colour,
    )
    layers = [
        base.mark_line(strokeWidth=1.5),
        base.mark_point(size=18, filled=True, opacity=1).transform_filter("datum.held_out"),
    ]
    if panel.reference is not None:
        rule = alt.Chart(pd.DataFrame({"value": [panel.reference]})).mark_rule(strokeDash=[4, 4], color="#777777")
        layers.insert(0, rule.encode(y="value:Q"))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=panel.title)


def _with_palette(png: bytes) -> bytes:
    """The same picture with few colours, at a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(PALETTE_SIZE, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()
