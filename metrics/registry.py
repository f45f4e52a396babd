"""Every metric by name, without importing any of them: built-in ones and those that other packages announce."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metrics.card import MetricCard
from metrics.errors import MetricError, UnavailableMetricError, UnknownMetricError

if TYPE_CHECKING:
    from metrics.set_distance import SetDistance
    from metrics.torchmetrics_base import Metric

ENTRY_POINT_GROUP = "stepbench.metrics"

BUILT_IN: dict[str, str] = {
    "psnr": "metrics.psnr:PSNR",
    "ssim": "metrics.ssim:SSIM",
    "ms_ssim": "metrics.ms_ssim:MSSSIM",
    "lpips": "metrics.lpips:LPIPS",
    "flicker": "metrics.flicker:Flicker",
    "sharpness": "metrics.sharpness:Sharpness",
    "motion_magnitude": "metrics.motion:MotionMagnitude",
    "warping_error": "metrics.warping:WarpingError",
    "warping_ok_share": "metrics.warping:WarpingOkShare",
    "frame_consistency": "metrics.consistency:FrameConsistency",
    "duplicate_ratio": "metrics.repetition:DuplicateRatio",
    "freeze_length": "metrics.repetition:FreezeLength",
    "luma_flicker": "metrics.luma_flicker:LumaFlicker",
    "interpolation_smoothness": "metrics.smoothness:InterpolationSmoothness",
    "dynamic_degree": "metrics.dynamic_degree:DynamicDegree",
    "vbench_flicker": "metrics.vbench_flicker:VBenchFlicker",
    "scene_cuts": "metrics.cuts:SceneCuts",
    "noise_level": "metrics.noise:NoiseLevel",
    "blockiness": "metrics.blockiness:Blockiness",
    "exposure": "metrics.tone:Exposure",
    "contrast": "metrics.tone:Contrast",
    "clipping": "metrics.tone:Clipping",
    "saturation": "metrics.colour:Saturation",
    "colourfulness": "metrics.colour:Colourfulness",
    "black_borders": "metrics.borders:BlackBorders",
}
"""Name -> `module:Class`. A new metric is its own file and one line here."""

ALIGNMENT: dict[str, str] = {
    "shapes_score": "metrics.shapes_alignment:ShapesScore",
    "shapes_margin": "metrics.shapes_alignment:ShapesMargin",
    "shapes_tokens_cut": "metrics.shapes_alignment:ShapesTokensCut",
    "clip_score": "metrics.clip_alignment:CLIPScore",
    "clip_margin": "metrics.clip_alignment:CLIPMargin",
    "clip_tokens_cut": "metrics.clip_alignment:CLIPTokensCut",
    "siglip_score": "metrics.siglip_alignment:SigLIPScore",
    "siglip_margin": "metrics.siglip_alignment:SigLIPMargin",
    "siglip_tokens_cut": "metrics.siglip_alignment:SigLIPTokensCut",
    "chinese_clip_score": "metrics.chinese_clip_alignment:ChineseCLIPScore",
    "chinese_clip_margin": "metrics.chinese_clip_alignment:ChineseCLIPMargin",
    "chinese_clip_tokens_cut": "metrics.chinese_clip_alignment:ChineseCLIPTokensCut",
    "xclip_score": "metrics.xclip_alignment:XCLIPScore",
    "xclip_margin": "metrics.xclip_alignment:XCLIPMargin",
    "xclip_tokens_cut": "metrics.xclip_alignment:XCLIPTokensCut",
}
"""Metrics that hold clips against prompts, by networks."""

WITH_WEIGHTS: dict[str, str] = {
    "subject_consistency": "metrics.embedding_consistency:SubjectConsistency",
    "background_consistency": "metrics.embedding_consistency:BackgroundConsistency",
    "vbench_subject_consistency": "metrics.embedding_consistency:VBenchSubjectConsistency",
    "vbench_background_consistency": "metrics.embedding_consistency:VBenchBackgroundConsistency",
    "aesthetic_quality": "metrics.aesthetic:AestheticQuality",
}
"""Metrics of the clip alone that need published weights."""

GOVERNANCE: dict[str, str] = {
    "named_characters": "metrics.governance.named_characters:NamedCharacters",
    "near_duplicate": "metrics.governance.near_duplicate:NearDuplicate",
    "face_present": "metrics.governance.face_present:FacePresent",
}
"""Flags for human review."""

SET_METRICS: dict[str, str] = {
    "fvd": "metrics.fvd:FVD",
    "kvd": "metrics.kvd:KVD",
    "fid": "metrics.fid:FID",
    "fvd_infinity": "metrics.fvd_infinity:FVDInfinity",
    "rfvd": "metrics.fvd:RFVD",
    "random_feature_distance": "metrics.random_features:RandomFeatureDistance",
}
"""Family -> `module:Class` of metrics with one value per set; `FAMILY_BACKBONE`, as `fvd_i3d`, names one backbone."""

JUDGED: dict[str, str] = {
    "question_answering": "metrics.question_answering:QuestionAnswering",
    "canary_accuracy": "metrics.question_answering:CanaryAccuracy",
}
"""Metrics by a vision-language model."""

SPELLED = tuple(f"{family}_{backbone}" for backbone in ("i3d", "videomae", "shapes") for family in ("fvd", "kvd"))
"""The names with a backbone that are listed; every other one can be built all the same."""

SHIPPED = BUILT_IN | ALIGNMENT | WITH_WEIGHTS | GOVERNANCE | SET_METRICS | JUDGED
"""Every metric of this package, without the names that stand for another one with a backbone."""

OFFLINE: tuple[str, ...] = (
    "flicker",
    "sharpness",
    "motion_magnitude",
    "duplicate_ratio",
    "warping_error",
    "frame_consistency",
)
"""The default set: no weights, and nothing needed but the clip. Flicker and warping error improve when a clip blurs or
freezes, so sharpness, motion and duplicates are always beside them."""


@dataclass(frozen=True)
class MetricEntry:
    """Where a metric's class is found.

    Attributes:
        name: Name in the registry.
        target: `module:Class`.
        provider: `metrics`, or the distribution that announces it.
        reason: Why the entry can never be loaded; empty as far as is known without importing it.
        options: Arguments of the class that the name stands for, such as the backbone of `fvd_i3d`.
    """

    name: str
    target: str
    provider: str = "metrics"
    reason: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> type[Metric]:
        """Import and return the class.

        Raises:
            UnavailableMetricError: The import fails, or the target is no metric class with a card.
        """
        if self.reason:
            raise UnavailableMetricError(f"metric {self.name!r} is unavailable: {self.reason}")
        module_name, _, attribute = self.target.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), attribute)
        except Exception as error:  # a plugin may fail in any way while it is imported; the reason is kept
            raise UnavailableMetricError(
                f"metric {self.name!r} is unavailable: {self.target} of {self.provider} cannot be imported "
                f"({type(error).__name__}: {error})",
                hint=f"repair or uninstall {self.provider}",
            ) from error
        if not (isinstance(getattr(found, "card", None), MetricCard) or callable(getattr(found, "card_of", None))):
            raise UnavailableMetricError(
                f"metric {self.name!r} is unavailable: {self.target} of {self.provider} has no MetricCard as `card`, "
                "and no `card_of`"
            )
        return found

    def unavailable(self) -> str:
        """Why the metric cannot be loaded here, or an empty string. Imports it; looks for its weights, reads none."""
        try:
            found: Any = self.load()
            # Metrics of other packages need not derive from the base that has this.
            getattr(found, "check_available", lambda: None)()
        except UnavailableMetricError as error:
            return str(error)
        return ""


class MetricRegistry(Mapping[str, MetricEntry]):
    """Read-only mapping of name to entry. Entry points are read on first use; no metric is imported."""

    @cached_property
    def _entries(self) -> dict[str, MetricEntry]:
        entries = {name: MetricEntry(name, target) for name, target in SHIPPED.items()}
        entries |= {name: _spelled(name) for name in SPELLED}
        for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
            entry = _entry_of(point)
            if entry.name in entries:
                taken_by = entries[entry.name].provider
                alias = f"{entry.provider}:{point.name}"
                entry = MetricEntry(alias, point.value, entry.provider, f"its name is taken by {taken_by}")
            entries[entry.name] = entry
        return entries

    def __getitem__(self, name: str) -> MetricEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


METRICS = MetricRegistry()


def find(name: str) -> MetricEntry:
    """The entry of `name`, in hyphen or underscore spelling.

    Raises:
        UnknownMetricError: There is none; the hint lists close names.
    """
    wanted = _normalised(name)
    if wanted in METRICS:
        return METRICS[wanted]
    if name in METRICS:
        return METRICS[name]
    if wanted.startswith(tuple(f"{family}_" for family in SET_METRICS)):
        return _spelled(wanted)
    close = get_close_matches(wanted, METRICS)
    raise UnknownMetricError(
        f"no metric is called {name!r}",
        hint=f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(METRICS)}",
    )


def build(name: str, **options: Any) -> Any:
    """A fresh metric object.

    Args:
        name: Registry name, in hyphen or underscore spelling.
        **options: Arguments of the metric's class.

    Raises:
        UnknownMetricError: No metric, or no backbone, has this name.
        UnavailableMetricError: It cannot be imported here, or needs weights that are not on this machine.
        MetricError: Its class does not take these options, or the name has settled them.
    """
    entry = find(name)
    metric_class = entry.load()
    settled = sorted(set(options) & set(entry.options))
    if settled:
        raise MetricError(
            f"the name {name!r} settles {', '.join(settled)}, got {options} beside it",
            hint=f"build {_family(entry.name)!r} with these options, or leave them out",
        )
    try:
        return metric_class(**entry.options, **options)
    except MetricError:
        raise
    except (TypeError, ValueError) as error:
        raise MetricError(f"metric {name!r} cannot be built with options {options}: {error}") from error


def describe(name: str) -> MetricCard:
    """The card of a metric; imports its class, and reads the weights of the backbone that it may have.

    Raises:
        UnknownMetricError: No metric, or no backbone, has this name.
        UnavailableMetricError: It cannot be imported here, or needs weights that are not on this machine.
    """
    entry = find(name)
    metric_class: Any = entry.load()
    return metric_class.card_of(**entry.options) if hasattr(metric_class, "card_of") else metric_class.card


def set_distance(name: str, options: Mapping[str, Any] | None = None) -> SetDistance:
    """The distance behind a set metric, for features that are at hand; needs neither backbone nor weights.

    Args:
        name: Registry name.
        options: What the metric is built with; those that matter to the features alone are passed over.

    Raises:
        UnknownMetricError: No metric has this name.
        UnavailableMetricError: It cannot be imported here.
        MetricError: It gives a value per clip.
    """
    entry = find(name)
    metric_class: Any = entry.load()
    if not hasattr(metric_class, "distance_for"):
        raise MetricError(f"metric {name!r} is no distance between sets", hint="it has a value per clip; use build()")
    takes = inspect.signature(metric_class.distance_for).parameters
    chosen = {**entry.options, **(options or {})}
    return metric_class.distance_for(**{key: value for key, value in chosen.items() if key in takes})


def _family(name: str) -> str:
    """The longest family that a name with a backbone begins with."""
    return max((family for family in SET_METRICS if name.startswith(f"{family}_")), key=len)


def _spelled(name: str) -> MetricEntry:
    family = _family(name)
    backbone = name.removeprefix(f"{family}_")
    return MetricEntry(name, SET_METRICS[family], options={"backbone": backbone})


def _normalised(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _entry_of(point: importlib.metadata.EntryPoint) -> MetricEntry:
    provider = point.dist.name if point.dist is not None else "an unknown distribution"
    module_name, _, attribute = point.value.partition(":")
    well_formed = module_name.replace(".", "").isidentifier() and attribute.isidentifier()
    reason = "" if well_formed else f"its entry point of {provider} reads {point.value!r}, not 'module:Class'"
    return MetricEntry(_normalised(point.name), point.value, provider, reason)
