"""What is known of a clip file: what its container says, and what the run that it lies in has recorded of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import NothingSelectedError
from stepbench.runs.clip_origin import read_origin
from stepbench.runs.folder import RunFolder
from stepbench.runs.run import Run


def describe_clip(path: Path) -> dict[str, Any]:
    """One record about a video file.

    Keys: `file`, `sha256`; `origin`, what the container says (see `clip_origin.origin_text`), or None; `recorded`, what
    the run in whose `clips/` the file lies says of it, or None: run_id, sample_key, prompt_id, seed, generator,
    settings, kind (`master` or `preview`), and `unchanged`, whether a master still has its recorded hash (None for a
    preview, of which no hash is kept).

    Raises:
        VideoError: The file is no video.
        NothingSelectedError: Neither the file nor a run says where it comes from.
    """
    digest = sha256_file(path)
    origin, recorded = read_origin(path), _recorded(path, digest)
    if origin is None and recorded is None:
        raise NothingSelectedError(
            f"{path} does not say where it comes from, and lies in no run",
            hint="masters of runs and clips of `stepbench generate` do; copies that were made blind do not",
        )
    return {"file": str(path), "sha256": digest, "origin": origin, "recorded": recorded}


def _recorded(path: Path, digest: str) -> dict[str, Any] | None:
    folder = RunFolder(path.resolve().parent.parent)
    if path.resolve().parent != folder.clips or not folder.info.is_file():
        return None
    run, name = Run(folder.path), f"clips/{path.name}"
    made = folder.read_samples()
    for key, prompt, seed in run.planned:
        row = made.get(key, {})
        if name in (row.get("clip"), row.get("preview")):
            master = name == row["clip"]
            return {
                "run_id": run.name,
                "sample_key": key,
                "prompt_id": prompt.id,
                "seed": seed,
                "generator": run.generator_name,
                "settings": run.info["settings"],
                "kind": "master" if master else "preview",
                "unchanged": digest == row["clip_sha256"] if master else None,
            }
    return None
