"""A run's clips with a manifest and the prompts: everything another stepbench needs to import them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.layouts.export_report import ExportRow
from stepbench.layouts.export_source import ExportableRun, place_file, prompts_of, source_clip
from stepbench.layouts.manifest import HEADER_KEY, HEADER_VERSION

CLIPS_FOLDER = "clips"


def export_manifest(
    run: ExportableRun,
    samples: list[dict[str, Any]],
    seeds: Mapping[int, int],
    destination: Path,
    *,
    copy: bool,
) -> list[ExportRow]:
    """Write `clips/<prompt id>-s<seed>.*`, `manifest.jsonl` and `prompts.jsonl`; one row per sample.

    Args:
        run: Where the clips are.
        samples: Its planned samples.
        seeds: Seed -> index, for the rows; files keep the seed itself.
        destination: An empty or new folder.
        copy: Whether to copy rather than link.
    """
    (destination / CLIPS_FOLDER).mkdir(parents=True)
    prompts = prompts_of(run, samples)
    texts = {prompt.id: prompt.text for prompt in prompts}
    lines: list[dict[str, Any]] = [{HEADER_KEY: HEADER_VERSION, "name": run.generator_name}]
    rows = []
    for sample in samples:
        clip = source_clip(run, sample)
        known = {"prompt_id": clip.prompt_id, "seed": clip.seed, "index": seeds[clip.seed]}
        file = None
        if clip.path is None:
            rows.append(ExportRow(**known, status="no_clip", reason=clip.reason))
        else:
            file = f"{CLIPS_FOLDER}/{clip.prompt_id}-s{clip.seed}{clip.path.suffix.lower()}"
            place_file(clip.path, destination / file, copy=copy)
            rows.append(ExportRow(**known, status="exported", file=file, source=clip.kind))
        lines.append(
            {
                "prompt_id": clip.prompt_id,
                "seed": clip.seed,
                "path": file,
                "sha256": clip.sha256 or (sha256_file(clip.path) if clip.path else None),
                "status": "found" if file else "missing",
                "reason": clip.reason,
                "prompt": texts[clip.prompt_id],
            }
        )
    _write_lines(destination / "manifest.jsonl", lines)
    _write_lines(destination / "prompts.jsonl", [prompt.to_json() for prompt in prompts])
    return rows


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
