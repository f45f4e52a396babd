"""The end of a run: journals put in plan order, the score table, the summary, the checksums. Repeatable at any time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.records import Prompt
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import saving
from stepbench.runs.summary import summarize

Planned = Sequence[tuple[str, Prompt, int]]
"""(sample_key, prompt, seed) in plan order."""


def finish(folder: RunFolder, planned: Planned, cards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put the run's rows in their final form and return the summary.

    Rows are sorted by plan order, so neither the number of workers nor that of shards nor an interruption leaves a
    trace. Journals of shards are merged into one.

    Args:
        cards: metric_id -> card of every metric the run was scored with.

    Raises:
        IncompleteError: A file cannot be written.
    """
    made = folder.read_samples()
    order = list(dict.fromkeys(key for key, _, _ in planned))
    scores = {metric_id: folder.read_scores(metric_id) for metric_id in cards}
    _merge(folder.samples(), folder.path.glob("samples-*.jsonl"), made, order)
    for metric_id, rows in scores.items():
        target = folder.score_journal(metric_id)
        shards = [path for path in folder.scores.iterdir() if path.name.startswith(f"{metric_id}#")]
        _merge(target, shards, rows, order)
    _write_table(folder, planned, scores)
    summary = summarize([(key, prompt) for key, prompt, _ in planned], made, scores, cards)
    write_atomically(folder.summary, json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return summary


def write_checksums(folder: RunFolder, made: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `SHA256SUMS` over every file of the run, as `sha256sum -c` reads it; clips by the hash in their row."""
    hashes = {
        row["clip"]: row["clip_sha256"] for row in made.values() if row.get("clip") and not row.get("master_dropped")
    }
    files = [folder.info, folder.plan, folder.prompts, folder.samples(), folder.summary, folder.table]
    files += [path for path in folder.scores.iterdir() if path.suffix == ".jsonl"]
    with saving(folder.checksums):
        hashes |= {str(path.relative_to(folder.path)): sha256_file(path) for path in files if path.is_file()}
    write_atomically(folder.checksums, "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items())))


def _merge(target: Path, parts: Any, rows: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> None:
    text = "".join(json.dumps(rows[key], ensure_ascii=False, allow_nan=False) + "\n" for key in order if key in rows)
    write_atomically(target, text)
    for part in list(parts):
        with saving(part):
            part.unlink()


def _write_table(folder: RunFolder, planned: Planned, scores: Mapping[str, Mapping[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [
        {
            "sample_key": key,
            "prompt_id": prompt.id,
            "seed": seed,
            "metric_id": metric_id,
            "value": by_key[key]["value"],
            "n": by_key[key]["n"],
            "status": by_key[key]["status"],
            "error": by_key[key]["error"],
        }
        for metric_id, by_key in scores.items()
        for key, prompt, seed in planned
        if key in by_key
    ]
    schema = pa.schema(
        [
            ("sample_key", pa.string()),
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
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
        temporary.replace(folder.table)
