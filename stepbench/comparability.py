"""When two runs may be compared: same prompts, same words sent, same seeds, same clip geometry, same metric ids.

Everything else about the generators may differ; that is what is being compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from stepbench.errors import NotComparableError, NothingSelectedError, UsageError

if TYPE_CHECKING:
    from stepbench.runs.run import Run

GEOMETRY = ("frames", "height", "width", "fps")
SHOWN = 5
"""Ids spelled out in a message; the rest are counted."""


@dataclass(frozen=True)
class FieldDifference:
    """One field in which two runs differ, with the value on each side."""

    field: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.field}: {self.a!r} against {self.b!r}"


@dataclass(frozen=True)
class MetricMatch:
    """A metric that both runs have scored. The ids are equal unless the comparison is forced."""

    metric: str
    id_a: str
    id_b: str


@dataclass(frozen=True)
class MatchedMetrics:
    """The metrics of two runs: those that match, those whose ids differ, those left out with a reason."""

    matches: tuple[MetricMatch, ...]
    differences: tuple[FieldDifference, ...]
    not_compared: tuple[tuple[str, str], ...]


def check_comparable(
    run_a: Run, run_b: Run, allow_incomparable: str | None = None, *, metrics: Sequence[str] | None = None
) -> list[FieldDifference]:
    """Return the fields that forbid a comparison: none, or those accepted for the reason in `allow_incomparable`.

    Args:
        run_a: A run.
        run_b: Another run.
        allow_incomparable: Why a comparison is wanted all the same; to be printed with the result.
        metrics: Names or ids of the metrics to be compared; None for all.

    Raises:
        NotComparableError: When fields differ and no reason is given; names every field with both values.
        UsageError: When the reason is blank.
        NothingSelectedError: When a metric asked for was scored in neither run.
    """
    if allow_incomparable is not None and not allow_incomparable.strip():
        raise UsageError("comparing incomparable runs needs a reason, got a blank one", hint="say why in a few words")
    found = [*field_differences(run_a, run_b), *match_metrics(run_a, run_b, metrics).differences]
    if found and allow_incomparable is None:
        listed = "".join(f"\n  {difference}" for difference in found)
        raise NotComparableError(
            f"runs {run_a.name} and {run_b.name} are not comparable; they differ in{listed}",
            hint='run both with the same suite, seeds and settings, or pass --allow-incomparable "REASON"',
        )
    return found


def field_differences(run_a: Run, run_b: Run) -> list[FieldDifference]:
    """Fields beside the metrics in which two runs differ so that their numbers mean different things."""
    pairs: list[tuple[str, Any, Any]] = []
    for key in ("name", "version", "hash"):
        pairs.append((f"suite {key}", run_a.info["suite"].get(key), run_b.info["suite"].get(key)))
    samples_a, samples_b = run_a.samples(), run_b.samples()
    ids_a, ids_b = set(samples_a["prompt_id"]), set(samples_b["prompt_id"])
    pairs.append(("prompts planned on this side only", _listed(ids_a - ids_b), _listed(ids_b - ids_a)))
    pairs.append(_text_pair(samples_a, samples_b))
    pairs.append(("seeds", _seeds(samples_a), _seeds(samples_b)))
    settings_a, settings_b = run_a.info["settings"], run_b.info["settings"]
    pairs.append(("negative prompt", settings_a.get("negative_prompt") or "", settings_b.get("negative_prompt") or ""))
    for key in GEOMETRY:
        value_a, value_b = settings_a.get(key), settings_b.get(key)
        # A folder or a program of the user's states no geometry: its clips have one all the same.
        if value_a is None and value_b is not None:
            value_a = _of_clips(samples_a, key)
        elif value_b is None and value_a is not None:
            value_b = _of_clips(samples_b, key)
        pairs.append((key, value_a, value_b))
    return [FieldDifference(*pair) for pair in pairs if pair[1] != pair[2]]


def match_metrics(run_a: Run, run_b: Run, metrics: Sequence[str] | None = None) -> MatchedMetrics:
    """Pair the metrics of two runs by id; a name whose ids differ is a difference, a name on one side is left out.

    Raises:
        NothingSelectedError: When a metric asked for was scored in neither run.
    """
    names_a, names_b = metric_names(run_a), metric_names(run_b)
    if metrics is not None:
        _check_selection(metrics, {**names_a, **names_b})
        names_a, names_b = (
            {key: name for key, name in names.items() if key in metrics or name in metrics}
            for names in (names_a, names_b)
        )
    matches = [MetricMatch(name, metric_id, metric_id) for metric_id, name in names_a.items() if metric_id in names_b]
    differences: list[FieldDifference] = []
    not_compared: list[tuple[str, str]] = []
    alone_a = {key: name for key, name in names_a.items() if key not in names_b}
    alone_b = {key: name for key, name in names_b.items() if key not in names_a}
    for name in dict.fromkeys([*alone_a.values(), *alone_b.values()]):
        ids_a = [key for key, value in alone_a.items() if value == name]
        ids_b = [key for key, value in alone_b.items() if value == name]
        if ids_a and ids_b:
            differences.append(FieldDifference(f"id of metric {name}", ", ".join(ids_a), ", ".join(ids_b)))
        if len(ids_a) == len(ids_b) == 1:
            matches.append(MetricMatch(name, ids_a[0], ids_b[0]))
            continue
        for metric_id, run, other in [(i, run_a, run_b) for i in ids_a] + [(i, run_b, run_a) for i in ids_b]:
            not_compared.append((metric_id, f"scored in {run.name}, not in {other.name}"))
    return MatchedMetrics(tuple(matches), tuple(differences), tuple(not_compared))


def metric_names(run: Run) -> dict[str, str]:
    """Metric id -> name for the metrics of a run, in order of appearance."""
    tables = [run.scores()[["metric_id", "metric"]], run.set_scores()[["metric_id", "metric"]]]
    rows = pd.concat([table for table in tables if len(table)] or tables[:1]).drop_duplicates()
    return dict(zip(rows["metric_id"], rows["metric"], strict=True))


def _check_selection(selected: Sequence[str], known: dict[str, str]) -> None:
    choices = [*known.values(), *known]
    for wanted in selected:
        if wanted not in choices:
            close = difflib.get_close_matches(wanted, choices, n=1)
            raise NothingSelectedError(
                f"metric {wanted!r} was scored in neither run",
                hint=f"did you mean {close[0]!r}?" if close else f"scored: {_listed(known.values()) or 'none'}",
            )


def _text_pair(samples_a: pd.DataFrame, samples_b: pd.DataFrame) -> tuple[str, Any, Any]:
    texts_a, texts_b = (dict(zip(frame["prompt_id"], frame["text"], strict=True)) for frame in (samples_a, samples_b))
    changed = [key for key in texts_a if key in texts_b and texts_a[key] != texts_b[key]]
    if not changed:
        return ("text sent", None, None)
    others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return (f"text sent for prompt {changed[0]}{others}", texts_a[changed[0]], texts_b[changed[0]])


def _of_clips(samples: pd.DataFrame, key: str) -> float | str | None:
    """Frames, height, width or fps of a run's clips: a number where all have the same, else all of them in words."""
    values = sorted(set(samples[key].dropna())) if key in samples else []
    return values[0] if len(values) == 1 else ", ".join(f"{value:g}" for value in values) or None


def _seeds(samples: pd.DataFrame) -> list[int]:
    return sorted(int(seed) for seed in samples["seed"].unique())


def _listed(names: Iterable[str]) -> str:
    names = sorted(set(names))
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
