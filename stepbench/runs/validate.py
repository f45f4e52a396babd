"""Check a run folder: files against their recorded hashes, rows against the plan, the summary against the rows."""

from __future__ import annotations

from pathlib import Path

from stepbench.canonical import sha256_file
from stepbench.errors import StepbenchError
from stepbench.runs.folder import RunFolder
from stepbench.runs.run import Run
from stepbench.runs.summary import summarize


def run_problems(path: Path) -> list[str]:
    """Every problem of the run in `path`, as text; an empty list when all is well."""
    folder = RunFolder(path)
    try:
        run = Run(path)
        made = folder.read_samples()
        scores = {metric_id: folder.read_scores(metric_id) for metric_id in run.metric_cards}
        planned = [(key, prompt) for key, prompt, _ in run.planned]
    except (StepbenchError, KeyError) as error:
        return [f"{path}: {error}"]
    problems = []
    keys = {key for key, _ in planned}
    problems += [f"{folder.samples()}: sample {key[:12]} is not in the plan" for key in made if key not in keys]
    for metric_id, rows in scores.items():
        strays = [key for key, row in rows.items() if key not in keys and "set_key" not in row]
        problems += [f"scores of {metric_id}: sample {key[:12]} is not in the plan" for key in strays]
    if run.info["status"] not in ("complete", "incomplete"):
        return [*problems, f"{path}: the run is {run.info['status']}, not finished"]
    problems += _changed_files(folder)
    summary = run.read_summary()
    if summary != summarize(planned, made, scores, run.metric_cards):
        problems.append(f"{folder.summary}: does not follow from the rows")
    for outcome in ("failed", "missing"):
        if summary["samples"][outcome]:
            problems.append(f"{path}: {summary['samples'][outcome]} of {len(planned)} samples {outcome}")
    return problems


def _changed_files(folder: RunFolder) -> list[str]:
    if not folder.checksums.is_file():
        return [f"{folder.checksums}: missing"]
    problems = []
    for line in folder.checksums.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        file = folder.path / name
        if not file.is_file():
            problems.append(f"{file}: missing")
        elif sha256_file(file) != digest:
            problems.append(f"{file}: changed since the run was finished")
    return problems
