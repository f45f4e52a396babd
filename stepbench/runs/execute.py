"""From a plan to a finished run: start or continue the folder, generate, score, finish."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stepbench.errors import UsageError
from stepbench.generators.protocol import Generator
from stepbench.provenance import capture_environment, now
from stepbench.runs.finish import finish, write_checksums
from stepbench.runs.folder import SCHEMA, RunFolder, write_atomically
from stepbench.runs.generate import generate_missing
from stepbench.runs.journal import saving
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import Plan, PlannedSample, common_settings, shard_of
from stepbench.runs.run import Run
from stepbench.runs.sample_worker import Keep
from stepbench.runs.score import score_missing


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The run whose clips serve as references."""

    run: Run
    hash: str

    def clips(self) -> dict[tuple[str, int], Path]:
        """(prompt id, seed) -> master clip."""
        samples = self.run.samples()
        made = samples[samples.clip.notna()]
        return {
            (row.prompt_id, row.seed): self.run.folder / row.clip
            for row in made.itertuples()
            if isinstance(row.clip, str)
        }


@dataclass(frozen=True, kw_only=True)
class Work:
    """How the work is done. Nothing in here changes a result."""

    workers: int = 1
    timeout: float | None = None
    keep: Keep = "both"
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}", hint="give the number of processes")

    @property
    def shard_name(self) -> str:
        """`1-of-4` for a shard, empty for a whole run."""
        return f"{self.shard[0] % self.shard[1]}-of-{self.shard[1]}" if self.shard else ""

    def part(self, samples: Sequence[PlannedSample]) -> Sequence[PlannedSample]:
        """The samples this process is to work on."""
        return shard_of(samples, *self.shard) if self.shard else samples


def execute(
    path: Path,
    plan: Plan,
    source: str | Generator,
    generator: Generator,
    *,
    seeds: Sequence[int],
    metrics: Sequence[ChosenMetric],
    reference: Reference | None,
    work: Work,
) -> Run:
    """Start the run in `path`, or continue what stands there, and bring it as far as this process can.

    Raises:
        UsageError: The folder holds a run with another plan.
        RunFolderError: Another process is writing the run.
        IncompleteError: Results cannot be saved; what was saved stays.
    """
    folder = RunFolder(path)
    part = work.part(plan.samples)
    with folder.writing(work.shard_name):
        _start(folder, plan, generator, seeds, metrics, reference, work)
        with _status_on_interrupt(folder):
            generate_missing(
                folder, part, source, workers=work.workers, timeout=work.timeout, keep=work.keep, shard=work.shard_name
            )
            _score(folder, part, metrics, reference, work)
            return finish_run(folder, work)


def rescore(
    run: Run, metrics: Sequence[ChosenMetric], *, reference: Reference | None, workers: int, recompute: bool
) -> Run:
    """Score a finished or unfinished run, with metrics it has or new ones, without generating anything.

    Raises:
        RunFolderError: Another process is writing the run.
        IncompleteError: Scores cannot be saved.
    """
    folder = RunFolder(run.folder)
    samples = [PlannedSample(key=key, prompt=prompt, seed=seed, settings={}) for key, prompt, seed in run.planned]
    with folder.writing():
        cards = {metric.metric_id: metric.card for metric in metrics}
        update_info(folder, lambda info: info | {"metric_cards": info["metric_cards"] | cards, "status": "running"})
        if recompute:
            for metric in metrics:
                with saving(folder.scores):
                    folder.score_journal(metric.metric_id).unlink(missing_ok=True)
        with _status_on_interrupt(folder):
            score_missing(
                folder, samples, metrics, references=reference.clips() if reference else None, workers=workers
            )
            return finish_run(folder, Work())


def _score(
    folder: RunFolder,
    part: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    reference: Reference | None,
    work: Work,
) -> None:
    if not metrics:
        return
    references = reference.clips() if reference else None
    score_missing(folder, part, metrics, references=references, workers=work.workers, shard=work.shard_name)
    if work.keep == "previews":
        _drop_masters(folder, part, metrics, work.shard_name)


def finish_run(folder: RunFolder, work: Work) -> Run:
    """Write the final files if every planned sample has been tried, and the status in any case."""
    run = Run(folder.path)
    made = folder.read_samples()
    if work.shard and any(key not in made for key, _, _ in run.planned):
        # Other shards are still at work; the last one to end finishes the run for all.
        update_info(folder, lambda info: info | {"status": "partial", "updated_at": now()})
        return Run(folder.path)
    summary = finish(folder, run.planned, run.metric_cards)
    counts = summary["samples"]
    gaps = counts["failed"] + counts["missing"] + sum(metric["n_failed"] for metric in summary["metrics"])
    status = "incomplete" if gaps else "complete"
    update_info(folder, lambda info: info | {"status": status, "updated_at": now()})
    write_checksums(folder, folder.read_samples())
    return Run(folder.path)


def _start(
    folder: RunFolder,
    plan: Plan,
    generator: Generator,
    seeds: Sequence[int],
    metrics: Sequence[ChosenMetric],
    reference: Reference | None,
    work: Work,
) -> None:
    cards = {metric.metric_id: metric.card for metric in metrics}
    environment = capture_environment()
    if folder.info.exists():
        info = folder.read_info()
        _refuse_other_plan(folder, info, plan, generator, seeds)
    else:
        planned_prompts = {sample.prompt.id: sample.prompt for sample in plan.samples}
        write_atomically(folder.prompts, _lines(prompt.to_json() for prompt in planned_prompts.values()))
        write_atomically(folder.plan, _lines(sample.to_json() for sample in plan.samples))
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
            "keep": work.keep,
            "environments": [],
        }
        write_atomically(folder.info, json.dumps(info, indent=2, ensure_ascii=False) + "\n")

    def resumed(info: dict[str, Any]) -> dict[str, Any]:
        known = info["environments"]
        return info | {
            "status": "running",
            "updated_at": now(),
            "metric_cards": info["metric_cards"] | cards,
            "reference": {"run_id": reference.run.name, "hash": reference.hash} if reference else info["reference"],
            "environments": known if environment in known else [*known, environment],
        }

    update_info(folder, resumed)


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


def _drop_masters(
    folder: RunFolder, part: Sequence[PlannedSample], metrics: Sequence[ChosenMetric], shard: str
) -> None:
    """Delete the masters whose every score is there; the row says so first."""
    from stepbench.runs.journal import Journal

    made = folder.read_samples()
    scored = [folder.read_scores(metric.metric_id) for metric in metrics]
    dropped = []
    for sample in part:
        row = made.get(sample.key)
        if row is None or row["outcome"] != "ok" or row.get("master_dropped") or row["clip"] == row["preview"]:
            continue
        if all(rows.get(sample.key, {}).get("status") == "ok" for rows in scored):
            dropped.append(row | {"master_dropped": True})
    if not dropped:
        return
    with Journal(folder.samples(shard)) as journal:
        journal.append(dropped)
    for row in dropped:
        (folder.path / row["clip"]).unlink(missing_ok=True)


@contextmanager
def _status_on_interrupt(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        update_info(folder, lambda info: info | {"status": "interrupted", "updated_at": now()})
        raise


def update_info(folder: RunFolder, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read, change and replace `run.json`; shards that do so at the same moment wait for one another."""
    with saving(folder.path):
        lock = (folder.path / ".run.json.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        changed = change(folder.read_info())
        write_atomically(folder.info, json.dumps(changed, indent=2, ensure_ascii=False) + "\n")


def _lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
