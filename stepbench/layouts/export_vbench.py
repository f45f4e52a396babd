"""A run's clips under VBench's names, with a `full_info` file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepbench.layouts.export_report import ExportRow
from stepbench.layouts.export_source import ExportableRun, SourceClip, place_file, prompts_of, source_clip
from stepbench.records import Prompt
from stepbench.suites.importers.vbench import dimensions_of

ENDINGS = (".mp4", ".gif")
"""What VBench reads."""
MAX_NAME_BYTES = 255
FORBIDDEN = '<>:"/\\|?*\0' if os.name == "nt" else "/\0"
# Not beside the clips: VBench takes the ending of all clips from the first file of the folder.
CLIPS_FOLDER = "videos"
INFO_FILE = "full_info.json"


def export_vbench(
    run: ExportableRun,
    samples: list[dict[str, Any]],
    seeds: Mapping[int, int],
    destination: Path,
    *,
    masters: bool,
    copy: bool,
) -> list[ExportRow]:
    """Write `videos/{prompt}-{index}.mp4` and `full_info.json`; one row per sample.

    Args:
        run: Where the clips are.
        samples: Its planned samples.
        seeds: Seed -> index in the names.
        destination: An empty or new folder.
        masters: Whether to prefer a master that VBench cannot read to a preview that it can.
        copy: Whether to copy rather than link.
    """
    prompts = prompts_of(run, samples)
    texts = {prompt.id: prompt.text for prompt in prompts}
    folder = destination / CLIPS_FOLDER
    folder.mkdir(parents=True)
    taken: dict[str, str] = {}
    rows = []
    for sample in samples:
        clip = source_clip(run, sample, endings=() if masters else ENDINGS)
        rows.append(_export(clip, texts[clip.prompt_id], seeds[clip.seed], folder, taken, copy))
    _write_info(prompts, rows, destination / INFO_FILE)
    return rows


def vbench_notes(samples: list[dict[str, Any]], rows: list[ExportRow], seeds: Mapping[int, int]) -> list[str]:
    """What a reader must know before taking scores of the export for scores of the run."""
    notes = []
    previews = sum(row.source == "preview" for row in rows)
    if previews:
        notes.append(f"{previews} clips are H.264 previews, not the lossless masters that stepbench scores")
    unreadable = sum(row.file is not None and Path(row.file).suffix.lower() not in ENDINGS for row in rows)
    if unreadable:
        notes.append(f"{unreadable} clips are neither .mp4 nor .gif, which VBench does not read")
    foreign = len({sample["prompt_id"] for sample in samples if sample["language"] != "en"})
    if foreign:
        notes.append(f"{foreign} prompts are not English; they stand under prompt_en, the only text VBench reads")
    if any(seed != index for seed, index in seeds.items()):
        notes.append("seeds are numbered " + ", ".join(f"{seed} as {index}" for seed, index in seeds.items()))
    return notes


def _export(clip: SourceClip, text: str, index: int, folder: Path, taken: dict[str, str], copy: bool) -> ExportRow:
    known = {"prompt_id": clip.prompt_id, "seed": clip.seed, "index": index}
    if clip.path is None:
        return ExportRow(**known, status="no_clip", reason=clip.reason)
    name = f"{text}-{index}{clip.path.suffix.lower()}"
    problem = _problem(name, folder, taken)
    if problem:
        return ExportRow(**known, status="not_exportable", reason=problem)
    taken[Path(name).stem] = clip.prompt_id
    place_file(clip.path, folder / name, copy=copy)
    return ExportRow(**known, status="exported", file=f"{CLIPS_FOLDER}/{name}", source=clip.kind)


def _problem(name: str, folder: Path, taken: Mapping[str, str]) -> str:
    forbidden = sorted(set(name) & set(FORBIDDEN))
    if forbidden:
        return f"a file name cannot hold {forbidden[0]!r}"
    length = len(name.encode())
    if length > MAX_NAME_BYTES:
        return f"the name would take {length} bytes, file systems allow {MAX_NAME_BYTES}"
    if Path(name).stem in taken:
        return f"prompt {taken[Path(name).stem]} has the same text and so the same name"
    if os.path.lexists(folder / name):
        return "this disk takes the name for that of another prompt, which differs only in case or Unicode form"
    return ""


def _write_info(prompts: list[Prompt], rows: list[ExportRow], path: Path) -> None:
    files: dict[str, list[str]] = {}
    for row in rows:
        if row.file is not None:
            files.setdefault(row.prompt_id, []).append(row.file)
    entries = []
    for prompt in prompts:
        entry: dict[str, Any] = {
            "prompt_en": prompt.text,
            "dimension": dimensions_of(prompt.tags) or [prompt.category],
            "video_list": files.get(prompt.id, []),
        }
        auxiliary = (prompt.ground_truth or {}).get("auxiliary_info")
        entries.append({**entry, "auxiliary_info": auxiliary} if auxiliary else entry)
    path.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
