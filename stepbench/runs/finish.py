"""The end of a run: journals put in plan order, the score table, the summary, the checksums. Repeatable at any time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.records import Prompt
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import Journal, json_line, read_journal, saving
from stepbench.runs.summary import Rows, summarize

Planned = Sequence[tuple[str, Prompt, int]]
"""(sample_key, prompt, seed) in plan order."""


def finish(folder: RunFolder, planned: Planned, made: Rows, cards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put the run's rows in their final form and return the summary. Nobody else may be writing the run.

    Rows are sorted by plan order, so neither the number of workers nor that of shards nor an interruption leaves a
    trace.

    Args:
        made: The run's sample rows, as they are now.
        cards: metric_id -> card of every metric the run was scored with.

    Raises:
        IncompleteError: A file cannot be written.
    """
    for place in (folder.path, folder.scores, folder.clips, folder.features):
        # Of a process that was killed while it replaced a file.
        for leftover in place.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
    order = list(dict.fromkeys(key for key, _, _ in planned))
    scores = {metric_id: folder.read_scores(metric_id) for metric_id in cards}
    _put_in_order(folder.samples(), folder.sample_shards(), made, order)
    for metric_id, rows in scores.items():
        of_sets = [key for key, row in rows.items() if "set_key" in row]
        _put_in_order(folder.score_journal(metric_id), folder.score_shards(metric_id), rows, [*order, *of_sets])
    _write_table(folder, planned, scores)
    summary = summarize([(key, prompt) for key, prompt, _ in planned], made, scores, cards)
    write_atomically(folder.summary, json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return summary


def fold_shards(folder: RunFolder, metric_ids: Iterable[str]) -> None:
    """Take the rows of shard journals into the journals of the whole run. Nobody else may be writing the run.

    Raises:
        IncompleteError: A journal cannot be written; a row is then in one of the two, or in both.
    """
    shards = {folder.samples(): folder.sample_shards()}
    shards |= {folder.score_journal(metric_id): folder.score_shards(metric_id) for metric_id in metric_ids}
    for target, parts in shards.items():
        for part in parts:
            with Journal(target) as journal:
                journal.append(read_journal(part))
            with saving(part):
                part.unlink()


def write_checksums(folder: RunFolder, made: Rows) -> None:
    """Write `SHA256SUMS` over every file of the run, as `sha256sum -c` reads it; clips by the hash in their row."""
    hashes = {
        row["clip"]: row["clip_sha256"] for row in made.values() if row.get("clip") and not row.get("master_dropped")
    }
    files = [folder.info, folder.plan, folder.prompts, folder.samples(), folder.summary, folder.table]
    files += [path for path in folder.scores.iterdir() if path.suffix == ".jsonl"]
    with saving(folder.checksums):
        hashes |= {str(path.relative_to(folder.path)): sha256_file(path) for path in files if path.is_file()}
    write_atomically(folder.checksums, "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items())))


def _put_in_order(target: Path, shards: Sequence[Path], rows: Rows, order: Sequence[str]) -> None:
    """Rewrite a journal in plan order, one row per sample, and delete those of shards, unless it is so already."""
    present = [key for key in order if key in rows]
    if not shards and list(rows) == present and _count_lines(target) == len(present):
        return
    write_atomically(target, "".join(json_line(rows[key]) for key in present))
    for shard in shards:
        with saving(shard):
            shard.unlink()


def _count_lines(path: Path) -> int | None:
    """Lines of a file that ends in a whole one; None for any other file."""
    data = path.read_bytes() if path.is_file() else b"torn"
    return data.count(b"\n") if data.endswith(b"\n") or not data else None


def _write_table(folder: RunFolder, planned: Planned, scores: Mapping[str, Rows]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows: list[dict[str, Any]] = []
    for metric_id, by_key in scores.items():
        facts = {
            key: {"metric_id": metric_id, **{name: row[name] for name in ("value", "n", "status", "error")}}
            for key, row in by_key.items()
        }
        rows += [
            {"sample_key": key, "prompt_id": prompt.id, "seed": seed, **facts[key]}
            for key, prompt, seed in planned
            if key in by_key
        ]
        rows += [{"set_key": key, **facts[key]} for key, row in by_key.items() if "set_key" in row]
    schema = pa.schema(
        [
            ("sample_key", pa.string()),
            ("set_key", pa.string()),
            ("prompt_id", pa.string()),
            ("seed", pa.int64()),
            ("metric_id", pa.string()),
            ("value", pa.float64()),
            ("n", pa.int64()),
            ("status", pa.string()),
            ("error", pa.string()),
        ]
    )
    temporary = folder.table.with_name(f".{folder.table.name}.tmp")
    with saving(folder.table):
        try:
            parquet.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
            temporary.replace(folder.table)
        finally:
            temporary.unlink(missing_ok=True)
