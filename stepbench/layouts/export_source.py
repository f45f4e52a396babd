"""What an export takes from a run: its samples as plain records, and the file to hand out for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from stepbench.records import Prompt

if TYPE_CHECKING:
    import pandas as pd


class ExportableRun(Protocol):
    """The part of a run that an export needs."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        ...

    @property
    def generator_name(self) -> str:
        """Who made the clips."""
        ...

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """Prompt id -> prompt, of the planned prompts."""
        ...

    def samples(self) -> pd.DataFrame:
        """One row per planned sample, in plan order."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceClip:
    """A planned sample and the file that stands for it.

    Attributes:
        path: None if the run has no clip of it; `reason` says why.
        sha256: Hash of the file as the journal has it; None for previews.
    """

    prompt_id: str
    seed: int
    path: Path | None
    kind: Literal["master", "preview"] = "master"
    sha256: str | None = None
    reason: str = ""


def samples_of(run: ExportableRun) -> list[dict[str, Any]]:
    """`run.samples()` as records in plan order, with None for missing values and plain integers as seeds."""
    records = []
    for row in run.samples().to_dict("records"):
        plain = {str(key): None if isinstance(value, float) and isnan(value) else value for key, value in row.items()}
        records.append({**plain, "seed": int(row["seed"])})
    return records


def prompts_of(run: ExportableRun, samples: list[dict[str, Any]]) -> list[Prompt]:
    """The planned prompts in plan order."""
    return [run.prompts[prompt_id] for prompt_id in dict.fromkeys(sample["prompt_id"] for sample in samples)]


def source_clip(run: ExportableRun, sample: dict[str, Any], *, endings: Sequence[str] = ()) -> SourceClip:
    """The master, unless it is gone or its ending is not among `endings` and there is a preview.

    Args:
        run: The run.
        sample: One of `samples_of(run)`.
        endings: Preferred endings; empty takes the master.
    """
    known = {"prompt_id": sample["prompt_id"], "seed": sample["seed"]}
    if sample["outcome"] != "ok":
        reason = (
            f"{sample['outcome']}: {sample['error'] or 'no reason given'}" if sample["outcome"] else "not generated yet"
        )
        return SourceClip(**known, path=None, reason=reason)
    master = _existing(run.folder, sample["clip"])
    preview = _existing(run.folder, sample["preview"])
    if master is not None and (not endings or master.suffix.lower() in endings or preview is None):
        return SourceClip(**known, path=master, sha256=sample["clip_sha256"])
    if preview is not None:
        return SourceClip(**known, path=preview, kind="preview")
    return SourceClip(**known, path=None, reason=f"the run's file {sample['clip']} is gone")


def place_file(source: Path, target: Path, *, copy: bool) -> None:
    """Put `source` at `target`, as a hard link where the file system allows it and `copy` is false."""
    if not copy:
        try:
            os.link(source, target)
        except OSError:
            # Another disk, or a file system without links: a copy serves as well.
            shutil.copyfile(source, target)
        return
    shutil.copyfile(source, target)


def _existing(folder: Path, relative: str | None) -> Path | None:
    path = folder / relative if relative else None
    return path if path is not None and path.is_file() else None
