"""A folder of video files as a suite with one prompt per file, so that its clips can be a run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from stepbench.canonical import sha256_json
from stepbench.clip_import import MANIFESTS
from stepbench.errors import NothingSelectedError
from stepbench.layouts.files import VIDEO_SUFFIXES, list_files
from stepbench.layouts.manifest import HEADER_KEY, HEADER_VERSION
from stepbench.records import Prompt, Suite, SuiteCard
from stepbench.runs.journal import saving


def folder_suite(folder: Path) -> Suite:
    """One prompt per video file at any depth: its path is the text, the folder it lies in the category.

    Raises:
        NothingSelectedError: The folder holds no video.
    """
    files = list_files(folder).videos
    if not files:
        raise NothingSelectedError(
            f"{folder} holds no video file", hint=f"files must end in {', '.join(VIDEO_SUFFIXES)}"
        )
    card = SuiteCard(
        name=_slug(folder.resolve().name)[:60] or "clips",
        version="files",
        title=f"the video files in {folder.resolve().name}",
        licence="unknown",
        languages=("und",),
        source="a folder of video files",
        citation="",
    )
    ids = _ids(files)
    return Suite(
        card=card,
        prompts=tuple(
            Prompt(id=ids[file], text=str(file), language="und", category=str(file.parent).lstrip(".") or "clips")
            for file in files
        ),
    )


def write_folder_manifest(folder: Path, suite: Suite, out: Path) -> Path:
    """Write which file is the clip of which prompt, for the generator `folder:`. The folder itself is left alone.

    Raises:
        IncompleteError: The manifest cannot be written.
    """
    manifest = out / MANIFESTS / suite.name / "manifest.jsonl"
    rows = [{HEADER_KEY: HEADER_VERSION, "name": f"folder:{suite.name}", "suite": suite.name}]
    rows += [
        {"prompt_id": prompt.id, "seed": 0, "path": str((folder / prompt.text).absolute())} for prompt in suite.prompts
    ]
    with saving(manifest):
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return manifest


def _ids(files: Sequence[PurePosixPath]) -> dict[PurePosixPath, str]:
    """A safe id per file, made from its name; files whose names give the same id get a piece of a hash behind it."""
    slugs = [_slug(str(file.with_suffix("")))[:80] or "clip" for file in files]
    # Some disks take names that differ in case alone for one.
    folded = [slug.casefold() for slug in slugs]
    return {
        file: slug if folded.count(slug.casefold()) == 1 else f"{slug}-{sha256_json(str(file))[:8]}"
        for file, slug in zip(files, slugs, strict=True)
    }


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-._")
