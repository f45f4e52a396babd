"""Merge shards that were run in separate folders, on machines that share no disk, into one run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stepbench.errors import NotComparableError, RunFolderError, UsageError
from stepbench.runs.execute import finish_run, update_info
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import Journal, read_journal, saving
from stepbench.runs.run import Run
from stepbench.runs.writer import writing


def merge_runs(sources: Sequence[Path], target: Path) -> Run:
    """Bring the clips and rows of all sources together in `target`, and finish it.

    Args:
        sources: Run folders with one and the same plan.
        target: A folder that does not exist yet, or holds a run with that plan.

    Raises:
        NotComparableError: The plans differ.
        RunFolderError: Two sources made the same sample with different pixels, so the generator is not deterministic.
        IncompleteError: The target cannot be written.
    """
    if not sources:
        raise UsageError("nothing to merge", hint="name the run folders of the shards")
    runs = [Run(path) for path in sources]
    infos = [run.info for run in runs]
    _refuse_other_plans(sources, infos)
    rows = _rows(runs)
    folder = RunFolder(target)
    with writing(folder) as writer:
        if folder.info.exists():
            _refuse_other_plans([sources[0], target], [infos[0], folder.read_info()])
        else:
            for name in ("prompts.jsonl", "plan.jsonl"):
                write_atomically(target / name, (sources[0] / name).read_text(encoding="utf-8"))
            info = infos[0] | {"run_id": target.name, "metric_cards": {}, "earlier_environments": []}
            write_atomically(folder.info, json.dumps(info, indent=2, ensure_ascii=False) + "\n")
        _bring_clips(folder, rows)
        with Journal(folder.samples()) as journal:
            journal.append(row for row, _ in rows.values())
        _bring_features(folder, runs)
        _bring_reviews(folder, runs)
        for run in runs:
            for metric_id in run.metric_cards:
                with Journal(folder.score_journal(metric_id)) as journal:
                    journal.append(RunFolder(run.folder).read_scores(metric_id).values())
        update_info(folder, lambda info: _united(info, infos))
        return finish_run(folder, writer, Run(target).planned)


def _rows(runs: Sequence[Run]) -> dict[str, tuple[dict[str, Any], Path]]:
    """sample_key -> (row, folder it came from)."""
    rows: dict[str, tuple[dict[str, Any], Path]] = {}
    for run in runs:
        for key, row in RunFolder(run.folder).read_samples().items():
            if key not in rows or rows[key][0]["outcome"] == "failed":
                rows[key] = (row, run.folder)
                continue
            known, origin = rows[key]
            if known["outcome"] == row["outcome"] == "ok" and known["clip_sha256"] != row["clip_sha256"]:
                raise RunFolderError(
                    f"sample {key[:12]} ({row['clip']}) has other pixels in {run.folder} than in {origin}: "
                    "the generator is not deterministic",
                    hint="leave one of the two folders out",
                )
    return rows


def _bring_clips(folder: RunFolder, rows: dict[str, tuple[dict[str, Any], Path]]) -> None:
    for row, origin in rows.values():
        for name in {row.get("clip") if not row.get("master_dropped") else None, row.get("preview")} - {None}:
            destination = folder.path / str(name)
            if destination.exists():
                continue
            with saving(destination):
                try:
                    os.link(origin / str(name), destination)
                except OSError:
                    # Another disk; copied to a temporary name first, so that a kill leaves no half clip.
                    temporary = destination.with_name(f".{destination.name}.tmp")
                    shutil.copyfile(origin / str(name), temporary)
                    temporary.replace(destination)


def _bring_features(folder: RunFolder, runs: Sequence[Run]) -> None:
    """What set metrics are computed from: the features of every source, and which clips the references are."""
    for run in runs:
        source = RunFolder(run.folder)
        for listed in sorted(source.features.glob("reference-*.json")):
            with saving(folder.features):
                folder.features.mkdir(exist_ok=True)
            write_atomically(folder.features / listed.name, listed.read_text(encoding="utf-8"))
        for feature_id in sorted({card["feature_id"] for card in run.metric_cards.values() if "feature_id" in card}):
            there = source.feature_store(feature_id)
            clips = sorted(there.keys())
            if clips:
                folder.feature_store(feature_id).add(dict(zip(clips, there.read(clips), strict=True)))


def _bring_reviews(folder: RunFolder, runs: Sequence[Run]) -> None:
    """What people decided about clips, in the order of time."""
    known = list(read_journal(folder.reviews))
    rows = [row for run in runs for row in read_journal(RunFolder(run.folder).reviews)]
    new = [row for place, row in enumerate(rows) if row not in known and row not in rows[:place]]
    if new:
        with Journal(folder.reviews) as journal:
            journal.append(sorted(new, key=lambda row: row["at"]))


def _united(info: dict[str, Any], infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
    cards = dict(info["metric_cards"])
    environments = list(info["earlier_environments"])
    machines = list(info.get("made_on", []))
    for other in infos:
        cards |= other["metric_cards"]
        machines += [machine for machine in other.get("made_on", []) if machine not in machines]
        for environment in [*other["earlier_environments"], other["environment"]]:
            if environment not in (None, info["environment"], *environments):
                environments.append(environment)
    return info | {"metric_cards": cards, "made_on": machines, "earlier_environments": environments}


def _refuse_other_plans(paths: Sequence[Path], infos: Sequence[dict[str, Any]]) -> None:
    for path, info in zip(paths, infos, strict=True):
        if info["plan_hash"] != infos[0]["plan_hash"]:
            raise NotComparableError(
                f"{path} has plan {info['plan_hash'][:12]}, {paths[0]} has {infos[0]['plan_hash'][:12]}",
                hint="only shards of one plan can be merged: same generator, suite, seeds and settings",
            )
