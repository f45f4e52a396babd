"""VBench's final scores from dimension values, with its constants, and without its traps.

An absent dimension has no value: the scores that need it are absent too, where VBench takes a raw 0 for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stepbench.errors import UsageError

Group = Literal["quality", "semantic"]


@dataclass(frozen=True)
class Dimension:
    """Range and weight that a dimension is normalised with."""

    group: Group
    low: float
    high: float
    weight: float = 1.0

    def normalised(self, value: float) -> float:
        """`(value - low) / (high - low)`, not clipped."""
        return (value - self.low) / (self.high - self.low)


DIMENSIONS: dict[str, Dimension] = {
    "subject_consistency": Dimension("quality", 0.1462, 1.0),
    "background_consistency": Dimension("quality", 0.2615, 1.0),
    "temporal_flickering": Dimension("quality", 0.6293, 1.0),
    "motion_smoothness": Dimension("quality", 0.706, 0.9975),
    "dynamic_degree": Dimension("quality", 0.0, 1.0, 0.5),
    "aesthetic_quality": Dimension("quality", 0.0, 1.0),
    "imaging_quality": Dimension("quality", 0.0, 1.0),
    "object_class": Dimension("semantic", 0.0, 1.0),
    "multiple_objects": Dimension("semantic", 0.0, 1.0),
    "human_action": Dimension("semantic", 0.0, 1.0),
    "color": Dimension("semantic", 0.0, 1.0),
    "spatial_relationship": Dimension("semantic", 0.0, 1.0),
    "scene": Dimension("semantic", 0.0, 0.8222),
    "appearance_style": Dimension("semantic", 0.0009, 0.2855),
    "temporal_style": Dimension("semantic", 0.0, 0.364),
    "overall_consistency": Dimension("semantic", 0.0, 0.364),
}
"""Constants of `scripts/constant.py` of VBench (Huang et al., CVPR 2024)."""

OF_METRIC = {
    "vbench_subject_consistency": "subject_consistency",
    "vbench_background_consistency": "background_consistency",
    "vbench_flicker": "temporal_flickering",
    "dynamic_degree": "dynamic_degree",
}
"""Metric of ours -> the dimension that it computes by VBench's definition."""

IN_PROFILE_VBENCH = {"subject_consistency", "background_consistency", "aesthetic_quality"}
"""Metrics, named as the dimension, of two profiles, of which `vbench` alone is VBench's; their ids end in it."""


@dataclass(frozen=True, kw_only=True)
class VBenchScore:
    """Scores from 0 to about 1; None where a dimension is absent.

    Attributes:
        normalised: Of the dimensions that there are.
        absent: Dimensions without a value.
    """

    normalised: dict[str, float]
    absent: tuple[str, ...]
    quality: float | None
    semantic: float | None
    total: float | None


def vbench_score(values: Mapping[str, float]) -> VBenchScore:
    """Group scores are weighted means of normalised dimensions; total = (4 quality + semantic) / 5.

    Args:
        values: Dimension -> its raw mean on [0, 1].

    Raises:
        UsageError: A name that is no dimension, or a value outside [0, 1].
    """
    unknown = sorted(values.keys() - DIMENSIONS.keys())
    if unknown:
        raise UsageError(f"VBench has no dimension {unknown[0]!r}", hint=f"it has {', '.join(DIMENSIONS)}")
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise UsageError(
                f"{name} must be a mean on [0, 1], got {value}", hint="imaging quality in percent is divided by 100"
            )
    normalised = {name: DIMENSIONS[name].normalised(values[name]) for name in DIMENSIONS if name in values}
    quality, semantic = _weighted(normalised, "quality"), _weighted(normalised, "semantic")
    total = None if quality is None or semantic is None else (4 * quality + semantic) / 5
    return VBenchScore(
        normalised=normalised,
        absent=tuple(name for name in DIMENSIONS if name not in values),
        quality=quality,
        semantic=semantic,
        total=total,
    )


def _weighted(normalised: Mapping[str, float], group: Group) -> float | None:
    members = {name: dimension for name, dimension in DIMENSIONS.items() if dimension.group == group}
    if members.keys() - normalised.keys():
        return None
    weights = sum(dimension.weight for dimension in members.values())
    return sum(dimension.weight * normalised[name] for name, dimension in members.items()) / weights


def read_values(source: Path) -> dict[str, float]:
    """Dimension values of a run of ours, or of a JSON file as VBench writes it or `{dimension: value}`.

    Of a run, only metrics that every planned clip has count, except that flicker is a mean over still clips; of those
    that have profiles, only `vbench`.

    Raises:
        UsageError: Neither of these, or a run whose scores have gaps.
    """
    if source.is_dir():
        return _values_of_run(source)
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        return {_plain(name): float(value[0] if isinstance(value, list) else value) for name, value in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(
            f"{source} is no run and no JSON object of dimension values: {error}",
            hint='give a run folder, VBench\'s *_eval_results.json, or a file like {"dynamic_degree": 0.4}',
        ) from error


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _values_of_run(folder: Path) -> dict[str, float]:
    from stepbench.runs.run import open_run

    values: dict[str, float] = {}
    for row in open_run(folder).read_summary()["metrics"]:
        name = row["metric"]
        dimension = name if name in IN_PROFILE_VBENCH else OF_METRIC.get(name)
        strict = name in IN_PROFILE_VBENCH and not row["metric_id"].endswith("-vbench")
        if dimension is None or strict or row["mean"] is None:
            continue
        if dimension in values and "-raft" not in row["metric_id"]:
            continue  # where a run has both flows, VBench's own counts
        if row["coverage"] < 1 and dimension != "temporal_flickering":
            raise UsageError(
                f"{row['metric']} has {row['n_scored']} of {row['n_planned']} clips: its mean is not the run's",
                hint="finish the run first",
            )
        values[dimension] = row["mean"]
    return values


def table(values: Mapping[str, float], score: VBenchScore) -> list[dict[str, Any]]:
    """One row per dimension, absent ones included."""
    return [
        {
            "dimension": name,
            "group": dimension.group,
            "weight": dimension.weight,
            "value": values.get(name),
            "normalised": score.normalised.get(name),
        }
        for name, dimension in DIMENSIONS.items()
    ]
