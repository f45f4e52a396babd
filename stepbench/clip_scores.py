"""Scores of the clips of any folder, and the clips whose scores satisfy conditions: what cleans a training set."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.executors.local import LocalExecutor
from stepbench.layouts.files import VIDEO_SUFFIXES, list_files
from stepbench.progress import track
from stepbench.runs.applied_metric import apply_metric
from stepbench.runs.journal import Journal, RowBuffer, json_line, read_journal, saving
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.metric_spec import parse_metric
from stepbench.runs.score_stream import run_scoring
from stepbench.runs.score_worker import ClipFile, ScoreTask
from stepbench.training.manifest import MANIFEST_FILE, read_manifest

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([A-Za-z][\w-]*)\s*(>=|<=|>|<)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class Condition:
    """`sharpness>100`: a metric, a comparison, a number."""

    metric: str
    comparison: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a value satisfies it."""
        return _COMPARISONS[self.comparison](value, self.bound)

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.bound:g}"


def parse_conditions(text: str) -> list[Condition]:
    """`sharpness>100 and flicker<=0.1`, or with commas.

    Raises:
        UsageError: A part that is no condition.
    """
    return [_condition(part) for part in re.split(r"\s+and\s+|,", text)]


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    try:
        name, comparison, number = match.groups() if match else ("", "", "")
        return Condition(_spelled(name), comparison, float(number))
    except ValueError as error:
        raise UsageError(
            f"a condition is METRIC, one of {' '.join(_COMPARISONS)}, and a number; got {text.strip()!r}",
            hint='for example --where "sharpness>100 and duplicate_ratio<0.2"',
        ) from error


@dataclass(frozen=True, kw_only=True)
class FolderScores:
    """What `score_folder` found.

    Attributes:
        scores: file -> metric -> value; None where there is none.
        accepted: Rows for a `captions.jsonl`, sorted by file.
        rejected: `file` and `reasons`, sorted by file.
        files: Where scores, accepted and rejected rows were written.
    """

    scores: dict[str, dict[str, float | None]]
    accepted: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    files: tuple[Path, Path, Path]


def score_folder(
    folder: Path,
    manifest: Path,
    *,
    metrics: Sequence[str] | None,
    where: Sequence[Condition] = (),
    workers: int = 1,
    device: str = "cpu",
) -> FolderScores:
    """Score every video below a folder, and tell the clips whose scores satisfy all conditions from the others.

    Beside `manifest`, which gets the accepted clips, stand `<stem>.scores.jsonl` with every score, from which a second
    call goes on, and `<stem>.rejected.jsonl` with the reasons. A clip that a condition's metric has no value for is
    rejected, and so is one without any value. Nothing in the folder is touched.

    Args:
        folder: Of video files, at any depth. What its `captions.jsonl` says of a clip, if there is one, is carried
            over, so that the manifest can take its place.
        manifest: JSONL file.
        metrics: Names, with options where wanted; None for the offline set. Those of the conditions are added; a
            condition on one that is named here is about that one, with its options.
        where: Conditions.
        workers: Processes.
        device: Where networks compute.

    Raises:
        UsageError: No such folder, a `captions.jsonl` that cannot be read, an unknown metric, or one that needs more
            than the clip.
        NothingSelectedError: There is no video in the folder, or no metric is asked for.
        IncompleteError: A file cannot be written.
    """
    if not folder.is_dir():
        raise UsageError(f"no run and no folder of clips at {str(folder)!r}")
    chosen = _chosen(metrics, where)
    files = [str(path) for path in list_files(folder).videos]
    if not files:
        raise NothingSelectedError(
            f"{folder} holds neither a run nor a video", hint=f"videos end in {', '.join(VIDEO_SUFFIXES)}"
        )
    captions = _captions(folder)
    journal = manifest.with_name(f"{manifest.stem}.scores.jsonl")
    rows = _score(folder, files, chosen, journal, workers, device)
    scores = {file: {metric.name: rows[file, metric.metric_id]["value"] for metric in chosen} for file in files}
    meant = {_spelled(metric.built_as): metric.name for metric in chosen}
    accepted, rejected = [], []
    for file in files:
        errors = {metric.name: rows[file, metric.metric_id]["error"] for metric in chosen}
        named = ((condition, meant[condition.metric]) for condition in where)
        reasons = [reason for one, name in named if (reason := _objection(one, scores[file][name], errors[name]))]
        if not any(value is not None for value in scores[file].values()):
            reasons = [f"no metric has a value: {next(iter(errors.values()))}"]
        if reasons:
            rejected.append({"file": file, "reasons": reasons})
        else:
            accepted.append(captions.get(file, {"file": file}))
    refused = manifest.with_name(f"{manifest.stem}.rejected.jsonl")
    for path, lines in ((manifest, accepted), (refused, rejected)):
        with saving(path):
            partial_file = path.with_name(f".{path.name}.partial")
            partial_file.write_text("".join(map(json_line, lines)), encoding="utf-8")
            partial_file.replace(path)
    return FolderScores(scores=scores, accepted=accepted, rejected=rejected, files=(journal, manifest, refused))


def _chosen(metrics: Sequence[str] | None, where: Sequence[Condition]) -> list[ChosenMetric]:
    from metrics.errors import MetricError
    from metrics.registry import OFFLINE

    names = ["offline"] if metrics is None else list(metrics)
    asked = [one for name in names for one in (OFFLINE if name == "offline" else [name])]
    named = {_spelled(parse_metric(name).name) for name in asked}
    asked += [condition.metric for condition in where if condition.metric not in named]
    if not asked:
        raise NothingSelectedError("no metric is asked for", hint="name some; without --metrics it is the offline set")
    chosen: dict[str, ChosenMetric] = {}
    for name in asked:
        try:
            applied = apply_metric(name, [])
        except MetricError as error:
            raise UsageError(error.message, hint=error.hint) from error
        card = applied.card
        if card.needs or card.level == "set":
            wanted = " and ".join(card.needs) or "a whole set"
            raise UsageError(
                f"metric {card.name!r} needs {wanted.replace('_', ' ')}, and a folder gives one clip at a time",
                hint="leave it out, or import the folder as a run of a suite",
            )
        if applied.unavailable:
            raise UsageError(f"metric {card.name!r} is unavailable: {applied.unavailable}")
        if card.name in chosen and chosen[card.name].metric_id != card.id:
            raise UsageError(
                f"{card.name} is asked for twice with other options, and a clip has one value of each name",
                hint="score the folder twice, with another --manifest",
            )
        chosen[card.name] = ChosenMetric(
            name=card.name, built_as=applied.name, metric_id=card.id, card=card.to_dict(), options=applied.options
        )
    return list(chosen.values())


def _captions(folder: Path) -> dict[str, dict[str, Any]]:
    """file -> its row of the folder's `captions.jsonl`; empty without one."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return {}
    rows, problems = read_manifest(folder, captions_needed=False)
    if problems:
        raise UsageError(f"{path} cannot be carried over: {problems[0]}", hint="mend it, or move it away")
    optional = {row.file: {"fps": row.fps, "split": row.split, "captions": list(row.captions) or None} for row in rows}
    return {
        str(file): {"file": str(file), **{key: value for key, value in said.items() if value is not None}}
        for file, said in optional.items()
    }


def _score(
    folder: Path, files: Sequence[str], chosen: Sequence[ChosenMetric], path: Path, workers: int, device: str
) -> dict[tuple[str, str], dict[str, Any]]:
    """(file, metric id) -> row."""
    known = {(row["sample_key"], row["metric_id"]): row for row in read_journal(path)}
    clips = {file: ClipFile(path=folder / file, sha256=sha256_file(folder / file)) for file in files}

    def lacking(file: str) -> list[str]:
        rows = {metric.metric_id: known.get((file, metric.metric_id), {}) for metric in chosen}
        stale = {key for key, row in rows.items() if row.get("clip_sha256") != clips[file].sha256}
        failed = {key for key, row in rows.items() if row.get("status") != "ok"}
        return [metric.metric_id for metric in chosen if metric.metric_id in stale | failed]

    tasks = [
        ScoreTask(sample_key=file, clip=clips[file], prompt="", ground_truth=None, metrics=wanted)
        for file in files
        if (wanted := lacking(file))
    ]
    results = run_scoring(chosen, tasks, executor=LocalExecutor(workers), device=device)
    with Journal(path) as journal, RowBuffer(journal.append) as buffer, closing(results):
        for _, done in track(results, total=len(tasks), description="scoring"):
            known |= {(row["sample_key"], row["metric_id"]): row for row in done.rows}
            buffer.add(*done.rows, seconds=done.seconds)
    return known


def _objection(condition: Condition, value: float | None, error: str | None) -> str:
    """Why a clip with this score fails a condition; empty if it does not."""
    if value is None:
        return f"{condition.metric} has no value: {error}"
    return "" if condition.holds(value) else f"{condition.metric} is {value:.6g}, wanted {condition}"


def _spelled(name: str) -> str:
    """A metric's name as the registry has it."""
    return name.lower().replace("-", "_")
