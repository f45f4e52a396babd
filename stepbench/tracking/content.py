"""What a run gives to an experiment tracker: numbers with intervals, settings as parameters, and a few clips."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.board.previews import CLIPS, publish_preview
from stepbench.board.run_checks import check_cards, check_texts
from stepbench.canonical import canonical_json
from stepbench.errors import NothingSelectedError
from stepbench.reporting.build import ExampleOptions, build_report
from stepbench.reporting.model import Report
from stepbench.runs.run import open_run

if TYPE_CHECKING:
    from stepbench.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class LoggedClip:
    """A clip with the words that go with it.

    Attributes:
        name: Safe name, unique in the run.
        preview: H.264 file for people.
        caption: Prompt, seed and scores.
    """

    name: str
    preview: Path
    caption: str


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A run in the terms of a tracker.

    Attributes:
        name: Run id.
        group: The suite: runs on one suite belong together.
        numbers: `metric/flicker`, `metric/flicker/low` ... -> value; what is missing is absent.
        parameters: Flat facts that decide the numbers, as text.
        clips: The first planned clips.
        report: Everything, as a report of this run alone.
    """

    name: str
    group: str
    numbers: Mapping[str, float]
    parameters: Mapping[str, str]
    clips: tuple[LoggedClip, ...]
    report: Report


def logged(run: str | Path | Run, *, scratch: Path, clips: int = 4) -> Logged:
    """Read what is to be logged of a run.

    Args:
        run: Run folder or opened run.
        scratch: An existing folder for the clips, to be kept until they are logged.
        clips: At most so many clips, one per prompt, in plan order.

    Raises:
        RunFolderError: It holds no run, or a broken one.
        NothingSelectedError: It has no score.
    """
    opened = run if not isinstance(run, str | Path) else open_run(run)
    check_cards(opened.metric_cards)
    check_texts(opened.samples())
    report = build_report([opened], examples=ExampleOptions(count=0))
    if not any(row.mean is not None for row in report.rows):
        raise NothingSelectedError(
            f"nothing to log: run {opened.name} has no value of any metric",
            hint=f"stepbench score {opened.folder} -m offline",
        )
    return Logged(
        name=opened.name,
        group=opened.info["suite"]["name"],
        numbers=_numbers(report),
        parameters=_parameters(report),
        clips=tuple(_clips(opened, clips, scratch)),
        report=report,
    )


def _numbers(report: Report) -> dict[str, float]:
    """Slashes make folders in every tracker's charts: `metric/NAME`, then `category/GROUP/NAME`."""
    found: dict[str, float | None] = {}
    for row in report.rows:
        place = "metric" if row.cut == "all" else f"{row.cut}/{safe(row.group)}"
        name = f"{place}/{_metric_name(report, row.metric_id)}"
        found |= {name: row.mean, f"{name}/low": row.low, f"{name}/high": row.high}
        found |= {f"{name}/prompts": float(row.n_units), f"{name}/coverage": row.coverage}
    cost = report.costs[0]
    found |= {"cost/seconds_per_clip": cost.seconds, "cost/joules_per_clip": cost.joules}
    found |= {"cost/seconds_per_clip/low": cost.low, "cost/seconds_per_clip/high": cost.high}
    found["cost/peak_memory_bytes"] = None if cost.peak_memory_bytes is None else float(cost.peak_memory_bytes)
    found |= {f"samples/{name}": float(count) for name, count in report.runs[0].samples.items()}
    for value in report.sets:
        found[f"metric/{_metric_name(report, value.metric_id)}/floor"] = value.floor
    return {name: value for name, value in found.items() if value is not None}


def _metric_name(report: Report, metric_id: str) -> str:
    """The metric's name, or its id where two ids share a name."""
    name = report.cards[metric_id]["name"]
    alike = [key for key, card in report.cards.items() if card["name"] == name]
    return safe(name if len(alike) == 1 else metric_id)


def _parameters(report: Report) -> dict[str, str]:
    run = report.runs[0]
    facts: dict[str, Any] = {
        "generator": run.generator,
        "generator_revision": run.revision,
        "weights_hash": run.weights_hash,
        "suite": run.suite,
        "suite_version": run.suite_version,
        "suite_hash": run.suite_hash,
        "plan_hash": run.plan_hash,
        "seeds": ",".join(map(str, run.seeds)),
        "reference": run.reference,
        "metric_ids": ",".join(report.cards),
        "status": run.status,
        "stepbench": run.environment.get("stepbench"),
        "command": run.commands[-1],
        **{f"setting.{safe(key)}": value for key, value in run.settings.items()},
    }
    return {
        key: value if isinstance(value, str) else canonical_json(value)
        for key, value in facts.items()
        if value is not None and value != ""
    }


def _clips(run: Run, most: int, scratch: Path) -> list[LoggedClip]:
    (scratch / CLIPS).mkdir(exist_ok=True)
    scores = run.scores()
    good = scores.loc[scores.status == "ok"]
    found, seen = [], set()
    for row in run.samples().to_dict(orient="records"):
        if len(found) == most:
            break
        if row["outcome"] != "ok" or row["prompt_id"] in seen:
            continue
        name, _ = publish_preview(run.folder, row, scratch)
        if name is None:
            continue
        seen.add(row["prompt_id"])
        own = good.loc[good.sample_key == row["sample_key"]]
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(own.metric, own.value, strict=True))
        caption = f"{row['text']} (prompt {row['prompt_id']}, seed {row['seed']}): {values}"
        found.append(
            LoggedClip(name=f"{safe(row['prompt_id'])}-s{row['seed']}", preview=scratch / name, caption=caption)
        )
    return found


def safe(text: str) -> str:
    """A name that every tracker takes: letters of any script, digits, dot, underscore, hyphen and space."""
    return re.sub(r"[^\w.\- ]", "_", text)
