"""Compute the scores of some clips again, drawn by a seed, and hold them against what the submission states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stepbench.errors import StepbenchError
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.score_stream import run_scoring
from stepbench.runs.score_worker import ClipFile, ScoreTask
from stepbench.submissions.limits import SubmissionError
from stepbench.submissions.outcome import Check, outcome
from stepbench.submissions.read import Submission
from stepbench.video import read_chunks

RELATIVE, ABSOLUTE = 1e-3, 1e-6
"""A score agrees when it is within `RELATIVE` of the stated one, or within `ABSOLUTE` of it: other processors and
libraries round otherwise, and nothing else may differ."""

BLOCK = 8
PREVIEW_DIFFERENCE = 8.0
"""Mean absolute difference, of 255, between the means of blocks of a preview and of its master above which they show
different things. Of single pixels it would be 45 for coloured noise, since H.264 keeps colours at half the size. Of
blocks it is at most 2 there and for other clips; between two clips of noise it is 9 and more, of a small model 14."""

MOST_PIXELS = 1 << 31
"""Values (frames x height x width x 3) of one clip that is decoded here."""


def check_rescored(
    given: Submission, metrics: Mapping[str, ChosenMetric], *, count: int, rng: np.random.Generator, device: str
) -> tuple[Check, dict[str, Any]]:
    """Score `count` clips again.

    Args:
        metrics: metric_id -> metric, of those that can be computed here.
        rng: Draws the clips.

    Returns:
        The check, and what was compared.
    """
    drawn = _draw(given, count, rng)
    if not drawn or not metrics:
        why = "no clip is here" if not drawn else "no metric can be computed here"
        return Check(name="rescore", result="skipped", detail=why), {}
    problems = [text for key in drawn for text in _clip_problems(given, key)]
    if problems:
        return outcome("rescore", problems, ""), {}
    rows = [
        row
        for _, done in run_scoring(list(metrics.values()), _tasks(given, metrics, drawn), device=device)
        for row in done.rows
    ]
    largest: dict[str, float] = {}
    for row in rows:
        stated = given.scores[row["metric_id"]].get(row["sample_key"], {"status": "missing", "value": None})
        problem, difference = _compare(row, stated)
        if problem:
            problems.append(f"{row['metric_id']}, sample {row['sample_key'][:12]}: {problem}")
        largest[row["metric_id"]] = max(largest.get(row["metric_id"], 0.0), difference)
    record = {
        "samples": drawn,
        "relative_tolerance": RELATIVE,
        "absolute_tolerance": ABSOLUTE,
        "largest_difference": largest,
    }
    good = f"{len(rows)} scores of {len(drawn)} clips agree within {RELATIVE:g} of their size"
    return outcome("rescore", problems, good), record


def check_remade(given: Submission, own: Submission) -> Check:
    """A run that somebody else made by the same plan: its clips are the same, or its scores are."""
    if own.info["plan_hash"] != given.info["plan_hash"]:
        return outcome("remade", ["the other run has another plan"], "")
    problems, same = [], 0
    for key, row in given.samples.items():
        other = own.samples.get(key, {"outcome": "missing"})
        if row["outcome"] != other["outcome"]:
            problems.append(f"sample {key[:12]} is {row['outcome']}, and {other['outcome']} in the other run")
        elif row["outcome"] == "ok" and row["clip_sha256"] == other["clip_sha256"]:
            same += 1
        elif row["outcome"] == "ok":
            problems += _other_scores(given, own, key)
    return outcome(
        "remade", problems, f"{same} of {len(given.samples)} clips byte for byte, the others by their scores"
    )


def _other_scores(given: Submission, own: Submission, key: str) -> list[str]:
    problems, compared = [], 0
    for metric_id, rows in given.scores.items():
        again = own.scores.get(metric_id, {}).get(key)
        if again is None or key not in rows:
            continue
        compared += 1
        problem, _ = _compare(again, rows[key])
        problems += [f"{metric_id}, sample {key[:12]}: {problem}"] if problem else []
    return problems if compared else [f"sample {key[:12]} is another clip, and no score says that it is as good"]


def _draw(given: Submission, count: int, rng: np.random.Generator) -> list[str]:
    keys = [
        row["sample_key"]
        for row in given.plan
        if given.samples.get(row["sample_key"], {}).get("outcome") == "ok"
        and given.samples[row["sample_key"]]["clip"] in given.names
    ]
    places = rng.permutation(len(keys))[:count]
    return [keys[place] for place in sorted(places)]


def _tasks(given: Submission, metrics: Mapping[str, ChosenMetric], keys: Sequence[str]) -> list[ScoreTask]:
    prompts = dict(given.planned)
    return [
        ScoreTask(
            sample_key=key,
            clip=ClipFile(path=given.folder / given.samples[key]["clip"], sha256=given.samples[key]["clip_sha256"]),
            prompt=prompts[key].text,
            ground_truth=prompts[key].ground_truth,
            metrics=list(metrics),
        )
        for key in keys
    ]


def _compare(again: Mapping[str, Any], stated: Mapping[str, Any]) -> tuple[str, float]:
    """What is wrong, and the difference of two scores of one clip."""
    if again["status"] != "ok":
        error = again.get("error")
        return ("", 0.0) if stated["status"] != "ok" else (f"cannot be computed here: {error}", 0.0)
    if stated["status"] != "ok":
        # Leaving a bad score out would lift the mean.
        return f"{stated['status']}, and {again['value']!r} here", 0.0
    difference = abs(again["value"] - stated["value"])
    if difference <= max(ABSOLUTE, RELATIVE * abs(stated["value"])):
        return "", difference
    return f"{stated['value']!r} is stated, {again['value']!r} comes out", difference


def _clip_problems(given: Submission, key: str) -> list[str]:
    """A clip that is another than its row says, or a preview that shows something else than its master."""
    row = given.samples[key]
    shape: list[Any] = [row.get(name) for name in ("frames", "height", "width")]
    if None in shape or math.prod(shape) * 3 > MOST_PIXELS:
        return [f"{row['clip']}: a clip of {shape} is not decoded here"]
    try:
        master = _decode(given.folder / row["clip"], shape)
        preview = row.get("preview")
        if preview is None or preview == row["clip"] or preview not in given.names:
            return []
        # H.264 has even sizes: the preview of an odd one has a column or row more.
        frames, height, width = shape
        shown = _decode(given.folder / preview, [frames, height + height % 2, width + width % 2])
    except StepbenchError as error:
        return [error.message]
    pairs = zip(master, shown[..., :height, :width], strict=True)
    difference = np.mean([np.abs(_blocks(a) - _blocks(b)).mean() for a, b in pairs])
    return [f"{preview} shows something else than {row['clip']}"] if difference > PREVIEW_DIFFERENCE else []


def _blocks(frame: np.ndarray) -> np.ndarray:
    """Means over blocks of a frame (channel, height, width); blocks at the edges are as large as there is room."""
    rows, columns = (np.arange(0, size, BLOCK) for size in frame.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(frame, rows, axis=1, dtype=np.float64), columns, axis=2)
    sizes = [np.diff(np.append(starts, size)) for starts, size in zip((rows, columns), frame.shape[1:], strict=True)]
    return sums / np.multiply.outer(*sizes)


def _decode(path: Path, shape: Sequence[Any]) -> np.ndarray:
    """The frames of a clip that must have the stated shape; decoding ends where it has not."""
    frames, height, width = shape
    chunks, count = [], 0
    for chunk in read_chunks(path):
        count += len(chunk)
        if count > frames or chunk.shape[2:] != (height, width):
            raise SubmissionError(f"{path.name} is not {frames} frames of {width}x{height}, as its row says")
        chunks.append(chunk)
    if count != frames:
        raise SubmissionError(f"{path.name} has {count} frames, {frames} in its row")
    return np.concatenate(chunks)
