"""A submission read with every field checked: what the checks work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stepbench.board.run_checks import check_cards
from stepbench.records import Prompt
from stepbench.submissions.limits import Limits, SubmissionError
from stepbench.submissions.scan import read_object, read_rows, scan_folder
from stepbench.submissions.schema import PlanRow, PromptRow, RunInfo, SampleRow, ScoreRow, check_row

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A run folder from a stranger.

    Attributes:
        names: All its files, relative to the folder.
        info: The parsed `run.json`.
        plan: Rows of `plan.jsonl`, in order.
        prompts: Prompt id -> prompt.
        samples: sample_key -> row.
        scores: metric_id -> sample_key or set_key -> row.
    """

    folder: Path
    names: tuple[str, ...]
    info: dict[str, Any]
    plan: tuple[dict[str, Any], ...]
    prompts: dict[str, Prompt]
    samples: Rows
    scores: dict[str, Rows]

    @property
    def cards(self) -> Mapping[str, dict[str, Any]]:
        """metric_id -> card."""
        return self.info["metric_cards"]

    @property
    def planned(self) -> list[tuple[str, Prompt]]:
        """(sample_key, prompt) in plan order."""
        return [(row["sample_key"], self.prompts[row["prompt_id"]]) for row in self.plan]


def read_submission(folder: Path, limits: Limits) -> Submission:
    """Read a run folder.

    Raises:
        SubmissionError: It is no finished run in the format, or not safe to read.
        RunFolderError: A metric card lacks what the board shows.
    """
    names = scan_folder(folder, limits)
    info = read_object(folder / "run.json", limits)
    check_row(RunInfo, info, "run.json")
    check_cards(info["metric_cards"])
    rows = partial(_rows, folder, limits=limits)
    plan = rows("plan.jsonl", PlanRow)
    prompts = {row["id"]: _prompt(row) for row in rows("prompts.jsonl", PromptRow)}
    for row in plan:
        if row["prompt_id"] not in prompts:
            raise SubmissionError(f"plan.jsonl: prompt {row['prompt_id']!r} is not in prompts.jsonl")
    if not plan:
        raise SubmissionError("plan.jsonl holds no sample", hint="hand in the whole run folder")
    return Submission(
        folder=folder,
        names=tuple(names),
        info=info,
        plan=tuple(plan),
        prompts=prompts,
        samples=_by_key(rows("samples.jsonl", SampleRow), "samples.jsonl"),
        scores={metric_id: _scores(folder, metric_id, limits) for metric_id in info["metric_cards"]},
    )


def _rows(folder: Path, name: str, model: Any, *, limits: Limits) -> list[dict[str, Any]]:
    rows = []
    for number, row in enumerate(read_rows(folder / name, limits), start=1):
        check_row(model, row, f"{name}:{number}")
        rows.append(row)
    return rows


def _prompt(row: dict[str, Any]) -> Prompt:
    try:
        return Prompt(**{**row, "tags": tuple(row.get("tags", ()))})
    except TypeError as error:
        raise SubmissionError(f"prompts.jsonl: prompt {row['id']!r}: {error}") from error


def _scores(folder: Path, metric_id: str, limits: Limits) -> Rows:
    name = f"scores/{metric_id}.jsonl"
    rows = _rows(folder, name, ScoreRow, limits=limits)
    for row in rows:
        if row["metric_id"] != metric_id:
            raise SubmissionError(f"{name}: a row of {row['metric_id']!r}", hint="one file holds one metric")
    return _by_key([row for row in rows if "reference_clip" not in row], name)


def _by_key(rows: list[dict[str, Any]], name: str) -> Rows:
    found: Rows = {}
    for row in rows:
        key = row.get("sample_key") or row.get("set_key")
        if key is None or key in found:
            raise SubmissionError(
                f"{name}: sample {str(key)[:12]} has no row of its own", hint="hand in a finished run"
            )
        found[key] = row
    return found
