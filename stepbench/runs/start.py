"""The beginning of a run: its plan and `run.json`, and what `run.json` says while the run goes on."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stepbench.errors import RunFolderError, UsageError
from stepbench.generators.protocol import Generator
from stepbench.provenance import capture_environment, now
from stepbench.records import Prompt
from stepbench.runs.folder import SCHEMA, RunFolder, write_atomically
from stepbench.runs.journal import saving
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import Plan, common_settings
from stepbench.runs.reference import Reference
from stepbench.runs.run import Run
from stepbench.runs.store_clip import Keep
from stepbench.runs.unavailable import merged_cards


def start_run(folder: RunFolder, plan: Plan, generator: Generator, seeds: Sequence[int], keep: Keep) -> None:
    """Write plan and `run.json`, or see that those of an earlier call fit. `run.json` comes last: it makes the run.

    Raises:
        UsageError: The folder holds a run with another plan; the differing fields are named.
        RunFolderError: The plan or the prompts that it has written were changed since.
        IncompleteError: The folder cannot be written.
    """
    known = folder.info.exists()
    if known:
        info = folder.read_info()
        _refuse_other_plan(folder, info, plan, generator, seeds)
        _refuse_other_rows(folder, info, plan)
    if not known or not folder.plan.is_file() or not folder.prompts.is_file():
        write_atomically(folder.prompts, _prompt_lines(_prompts(plan)))
        write_atomically(folder.plan, _lines(sample.to_json() for sample in plan.samples))
    if not known:
        info = {
            "schema": SCHEMA,
            "run_id": folder.path.name,
            "status": "running",
            "plan_hash": plan.hash,
            "created_at": now(),
            "generator": asdict(generator.card),
            "suite": {
                "name": plan.suite.name,
                "version": plan.suite.card.version,
                "hash": plan.suite.hash,
                "licence": plan.suite.card.licence,
            },
            "settings": common_settings(plan.samples),
            "seeds": list(seeds),
            "n_planned": len(plan.samples),
            "metric_cards": {},
            "reference": None,
            "keep": keep,
            "made_on": [],
            "environment": None,
            "earlier_environments": [],
        }
        write_atomically(folder.info, json.dumps(info, indent=2, ensure_ascii=False) + "\n")


def note_work(folder: RunFolder, metrics: Sequence[ChosenMetric], reference: Reference | None) -> None:
    """Say in `run.json` that the run is at work, with which metrics and references, and in which environment."""
    environment = capture_environment()

    def noted(info: dict[str, Any]) -> dict[str, Any]:
        last, earlier = info["environment"], info["earlier_environments"]
        if last not in (None, environment):
            earlier = [*(one for one in earlier if one not in (last, environment)), last]
        return info | {
            "status": "running",
            "updated_at": now(),
            "metric_cards": merged_cards(folder, info["metric_cards"], metrics),
            "reference": {"run_id": reference.run.name, "hash": reference.hash} if reference else info["reference"],
            "environment": environment,
            "earlier_environments": earlier,
        }

    update_info(folder, noted)


def _refuse_other_plan(
    folder: RunFolder, info: dict[str, Any], plan: Plan, generator: Generator, seeds: Sequence[int]
) -> None:
    if info["plan_hash"] == plan.hash:
        return
    old_identity = {name: info["generator"][name] for name in generator.card.identity}
    pairs = {
        "generator": (old_identity, generator.card.identity),
        "suite hash": (info["suite"]["hash"][:12], plan.suite.hash[:12]),
        "settings": (info["settings"], common_settings(plan.samples)),
        "seeds": (info["seeds"], list(seeds)),
        "samples": (info["n_planned"], len(plan.samples)),
    }
    differing = "; ".join(f"{name}: {old} there, {new} now" for name, (old, new) in pairs.items() if old != new)
    raise UsageError(
        f"{folder.path} holds a run with another plan ({differing or 'other prompts'})",
        hint="give another --run-id, or leave it out to get one made from the plan",
    )


def _refuse_other_rows(folder: RunFolder, info: dict[str, Any], plan: Plan) -> None:
    """What the run has written of its plan is still what was planned, unless it is lost."""
    if folder.plan.is_file():
        folder.read_plan(info)
    if folder.prompts.is_file() and _prompt_lines(Run(folder.path).prompts) != _prompt_lines(_prompts(plan)):
        raise RunFolderError(
            f"{folder.prompts} holds other prompts than were planned",
            hint="restore it from a copy, or delete it and run the same command again",
        )


def update_info(folder: RunFolder, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read, change and replace `run.json`; shards that do so at the same moment wait for one another."""
    with saving(folder.path):
        lock = (folder.path / ".run.json.lock").open("w")
    with lock:
        with saving(folder.path):
            fcntl.flock(lock, fcntl.LOCK_EX)
        changed = change(folder.read_info())
        write_atomically(folder.info, json.dumps(changed, indent=2, ensure_ascii=False) + "\n")


def _prompts(plan: Plan) -> dict[str, Prompt]:
    return {sample.prompt.id: sample.prompt for sample in plan.samples}


def _prompt_lines(prompts: Mapping[str, Prompt]) -> str:
    return _lines(prompt.to_json() for prompt in prompts.values())


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
