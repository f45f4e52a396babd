"""A run whose clips are the references of metrics that compare with one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_json
from stepbench.errors import NothingSelectedError
from stepbench.runs.run import Run, open_run
from stepbench.runs.score_worker import ClipFile


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The run, and the hash over its clips that enters the metric id."""

    run: Run
    hash: str

    def listed(self) -> list[dict[str, Any]]:
        """What a run scored against it keeps: prompt_id, seed, unit, sample_key and clip_sha256 of each clip."""
        fields = ("prompt_id", "seed", "sample_key", "clip_sha256")
        units = {prompt.id: prompt.pair_id or prompt.id for prompt in self.run.prompts.values()}
        return [{**{name: row[name] for name in fields}, "unit": units[row["prompt_id"]]} for row in _made(self.run)]

    def clips(self) -> dict[tuple[str, int], ClipFile]:
        """(prompt id, seed) -> master clip."""
        return {
            (row["prompt_id"], row["seed"]): ClipFile(path=self.run.folder / row["clip"], sha256=row["clip_sha256"])
            for row in _made(self.run)
        }


def open_reference(path: str | Path) -> Reference:
    """The run at `path` as a reference.

    Raises:
        RunFolderError: It holds no run.
        NothingSelectedError: The run has no clip.
    """
    run = open_run(path)
    hashes = [[row["prompt_id"], row["seed"], row["clip_sha256"]] for row in _made(run)]
    if not hashes:
        raise NothingSelectedError(f"the reference run {run.folder} has no clip", hint="name a finished run")
    return Reference(run=run, hash=sha256_json(hashes))


def _made(run: Run) -> list[dict[str, Any]]:
    return [row for row in run.samples().to_dict("records") if row["outcome"] == "ok"]
