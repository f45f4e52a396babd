"""From a plan to a finished run: start or continue the folder, generate, score, finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stepbench.errors import UsageError
from stepbench.executors.local import THIS_PROCESS
from stepbench.executors.protocol import Executor
from stepbench.generators.protocol import Generator
from stepbench.generators.ranks import SharedSource
from stepbench.provenance import now
from stepbench.runs.finish import Planned, finish, fold_shards, write_checksums
from stepbench.runs.folder import RunFolder
from stepbench.runs.generate import generate_missing
from stepbench.runs.journal import Journal, saving
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import Plan, PlannedSample, shard_of
from stepbench.runs.reference import Reference
from stepbench.runs.reference_features import hand_features_back, take_reference_in
from stepbench.runs.run import Run
from stepbench.runs.score import score_missing
from stepbench.runs.score_sets import score_sets
from stepbench.runs.score_worker import ClipFile
from stepbench.runs.start import note_work, start_run, update_info
from stepbench.runs.store_clip import Keep
from stepbench.runs.writer import Writer, writing

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Work:
    """How the work is done. Nothing in here changes a result, but for the last digits of networks on another device."""

    executor: Executor = THIS_PROCESS
    timeout: float | None = None
    keep: Keep = "both"
    shard: tuple[int, int] | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"a time limit must be above 0 seconds, got {self.timeout:g}", hint="leave --timeout out")

    @property
    def shard_name(self) -> str:
        """`1-of-4` for a shard, empty for a whole run."""
        return f"{self.shard[0] % self.shard[1]}-of-{self.shard[1]}" if self.shard else ""

    def part(self, items: Sequence[Item]) -> Sequence[Item]:
        """The samples, or clips of a reference set, that this process is to work on."""
        return shard_of(items, *self.shard) if self.shard else items


def execute(
    path: Path,
    plan: Plan,
    source: str | Generator | SharedSource,
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
    with writing(folder, work.shard_name) as writer:
        with writer.turn():
            start_run(folder, plan, generator, seeds, work.keep)
            note_work(folder, metrics, reference)
        if not work.shard:
            fold_shards(folder, folder.read_info()["metric_cards"])
        with _status_on_interrupt(folder):
            generate_missing(
                folder,
                part,
                source,
                executor=work.executor,
                timeout=work.timeout,
                keep=work.keep,
                shard=work.shard_name,
            )
            _score(folder, part, metrics, reference, work)
            if metrics and work.keep == "previews":
                _drop_masters(folder, part, metrics, work.shard_name)
            return finish_run(folder, writer, [(sample.key, sample.prompt, sample.seed) for sample in plan.samples])


def rescore(
    run: Run, metrics: Sequence[ChosenMetric], *, reference: Reference | None, work: Work, recompute: bool
) -> Run:
    """Score a finished or unfinished run, with metrics it has or new ones, without generating anything.

    Raises:
        RunFolderError: Another process is writing the run.
        IncompleteError: Scores cannot be saved.
    """
    folder = RunFolder(run.folder)
    samples = [PlannedSample(key=key, prompt=prompt, seed=seed, settings={}) for key, prompt, seed in run.planned]
    with writing(folder) as writer:
        note_work(folder, metrics, reference)
        fold_shards(folder, folder.read_info()["metric_cards"])
        if recompute:
            for metric in metrics:
                with saving(folder.scores):
                    folder.score_journal(metric.metric_id).unlink(missing_ok=True)
                if metric.feature_id:
                    folder.feature_store(metric.feature_id).clear()
        with _status_on_interrupt(folder):
            _score(folder, samples, metrics, reference, work)
            return finish_run(folder, writer, run.planned)


def _score(
    folder: RunFolder,
    part: Sequence[PlannedSample],
    metrics: Sequence[ChosenMetric],
    reference: Reference | None,
    work: Work,
) -> None:
    if not metrics:
        return
    feature_ids = {metric.feature_id for metric in metrics if metric.feature_id}
    in_set: list[ClipFile] = []
    if reference and feature_ids:
        take_reference_in(folder, reference, feature_ids)
        in_set = list({clip.sha256: clip for clip in reference.clips().values()}.values())
    score_missing(
        folder,
        part,
        metrics,
        references=reference.clips() if reference else None,
        reference_set=work.part(in_set),
        executor=work.executor,
        device=work.device,
        shard=work.shard_name,
    )
    if reference and feature_ids:
        hand_features_back(folder, reference, feature_ids)


def finish_run(folder: RunFolder, writer: Writer, planned: Planned) -> Run:
    """Write the final files and the status; a shard leaves the files to the last one that works on a tried plan."""
    with writer.finishing() as alone:
        made = folder.read_samples()
        if writer.shard and (not alone or any(key not in made for key, _, _ in planned)):
            update_info(folder, lambda info: info | {"status": "partial", "updated_at": now()})
            return Run(folder.path)
        cards = folder.read_info()["metric_cards"]
        score_sets(folder, planned, made, cards)
        summary = finish(folder, planned, made, cards)
        counts = summary["samples"]
        gaps = counts["failed"] + counts["missing"] + sum(metric["n_failed"] for metric in summary["metrics"])
        status = "incomplete" if gaps else "complete"
        update_info(folder, lambda info: info | {"status": status, "updated_at": now()})
        write_checksums(folder, made)
        return Run(folder.path)


def _drop_masters(
    folder: RunFolder, part: Sequence[PlannedSample], metrics: Sequence[ChosenMetric], shard: str
) -> None:
    """Delete the masters whose every score is there; the row says so first."""
    made = folder.read_samples()
    scored = [folder.read_scores(metric.metric_id) for metric in metrics if not metric.feature_id]
    seen = [folder.feature_store(metric.feature_id).keys() for metric in metrics if metric.feature_id]
    dropped = []
    for sample in part:
        row = made.get(sample.key)
        # Where the master is the preview, or there is none, nothing would be left to look at.
        if row is None or row["outcome"] != "ok" or row["preview"] in (None, row["clip"]):
            continue
        done = all(rows.get(sample.key, {}).get("status") == "ok" for rows in scored)
        if done and all(row["clip_sha256"] in clips for clips in seen):
            dropped.append(row | {"master_dropped": True})
    new = [row for row in dropped if not made[row["sample_key"]].get("master_dropped")]
    if new:
        with Journal(folder.samples(shard)) as journal:
            journal.append(new)
    for row in dropped:
        # Also those that a killed process had marked and not yet deleted.
        with saving(folder.path / row["clip"]):
            (folder.path / row["clip"]).unlink(missing_ok=True)


@contextmanager
def _status_on_interrupt(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        update_info(folder, lambda info: info | {"status": "interrupted", "updated_at": now()})
        raise
