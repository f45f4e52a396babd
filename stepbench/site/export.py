"""Write a board as a static site: pages, their data, downloads and clips, in one step; equal boards, equal bytes."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stepbench.board.folder import folder_in_one_step
from stepbench.board.read import DamagedBoardError, open_board
from stepbench.errors import UsageError
from stepbench.runs.journal import saving
from stepbench.site.content import SiteContent
from stepbench.site.pages import all_pages
from stepbench.site.words import Words
from stepbench.spreadsheet import csv_for_spreadsheets, json_records

MARK = "site.json"
"""Says that a folder was written by an export, so that the next one may replace it."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        path: The site's folder; `index.html` in it is the first page.
        pages: Number of pages.
        clips: Number of clips beside them.
        largest: Size of the largest page in bytes.
    """

    path: Path
    pages: int
    clips: int
    largest: int


def export_site(board: str | Path, out: str | Path = "site", *, language: str = "en") -> Exported:
    """Write the board in `board` as pages into `out`.

    Clips are hard-linked beside the pages (copied where links do not reach), unless the board was built with an address
    for them.

    Args:
        board: Board folder.
        out: Made if missing; replaced in one step if it holds an earlier export.
        language: `en`, `ja` or `zh`.

    Raises:
        BoardError: There is no board, or one that this version cannot read, or a damaged one.
        UsageError: `out` holds something else, or the language is unknown.
        IncompleteError: The pages cannot be written; an earlier export stays.
    """
    opened, words, target = open_board(board), Words(language), Path(out).resolve()
    if target.exists() and not (target / MARK).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} holds something else than an export", hint="give -o a new folder")
    content = SiteContent(opened)
    sizes, clips = [], set[str]()
    with folder_in_one_step(target) as scratch, saving(target):
        for name, text in all_pages(content, words):
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sizes += [len(text.encode("utf-8"))] if name.endswith(".html") else []
        for table in content.tables.values():
            _write_downloads(content, table, scratch / "data")
            _write_prompts(content, table, scratch / "data")
            for run in table["runs"]:
                clips |= _write_samples(content, table, run, scratch / "data")
        if not content.clips_url:
            for name in sorted(clips):
                _share(opened.folder / name, scratch / name)
        mark = {"kind": "stepbench site", "board": opened.version, "language": language}
        (scratch / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
    return Exported(
        path=target, pages=len(sizes), clips=0 if content.clips_url else len(clips), largest=max(sizes, default=0)
    )


def _write_downloads(content: SiteContent, table: dict[str, Any], folder: Path) -> None:
    """The table's numbers as CSV, JSON and Parquet."""
    folder.mkdir(exist_ok=True)
    table_id = table["table_id"]
    runs = content.runs.loc[table["runs"]].drop(columns=["part", "on_board", "table_id", "reason"])
    frames = {"summary": content.board.summary(table_id), "runs": runs, "pairs": content.board.pairs(table_id)}
    for name, frame in frames.items():
        stem = folder / f"{name}-{table_id}"
        Path(f"{stem}.csv").write_bytes(csv_for_spreadsheets(frame).encode())
        frame.to_parquet(f"{stem}.parquet", index=False)
        Path(f"{stem}.json").write_text(json_records(frame), encoding="utf-8")


def _write_prompts(content: SiteContent, table: dict[str, Any], folder: Path) -> None:
    """What the gallery shows above a pair: the plan that all runs of the table share."""
    first: Any = content.board.samples(content.runs.part[table["runs"][0]])
    columns = ["prompt_id", "seed", "text", "language", "category"]
    rows = [[_plain(row[name]) for name in columns] for row in first[columns].to_dict(orient="records")]
    _write_script(folder / f"prompts-{table['table_id']}.js", "prompts", rows)


def _write_samples(content: SiteContent, table: dict[str, Any], run: str, folder: Path) -> set[str]:
    """One run's clips and scores, in the order of the prompts; the gallery loads those of the runs it shows."""
    part = content.runs.part[run]
    samples, scores = content.board.samples(part), content.board.scores(part)
    good = scores[scores.status == "ok"].pivot(index=["prompt_id", "seed"], columns="metric_id", values="value")
    first = content.board.samples(content.runs.part[table["runs"][0]])[["prompt_id", "seed"]]
    merged = first.merge(samples, on=["prompt_id", "seed"], how="left").merge(
        good.reindex(columns=table["metric_ids"]), on=["prompt_id", "seed"], how="left"
    )
    facts = ["clip", "outcome", "error", "no_clip", "frames", "fps", "width", "height"]
    rows = [
        {
            **{name: _plain(row[name]) for name in facts},
            "values": [_plain(row[metric_id]) for metric_id in table["metric_ids"]],
        }
        for row in merged.to_dict(orient="records")
    ]
    _write_script(folder / f"samples-{content.slug(run)}.js", f"samples:{content.slug(run)}", rows)
    return {name for name in samples["clip"].dropna() if not content.clips_url}


def _write_script(path: Path, key: str, rows: Any) -> None:
    # A page opened from disk may load a script from there, but may not fetch data.
    text = json.dumps(rows, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    path.write_text(f"stepbenchData({json.dumps(key)},{text});\n", encoding="ascii")


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    # Seven digits are more than a page shows.
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _share(source: Path, target: Path) -> None:
    if not source.is_file():
        raise DamagedBoardError(f"{source} is missing", hint="build the board again")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Another disk, or one without links.
        shutil.copyfile(source, target)
