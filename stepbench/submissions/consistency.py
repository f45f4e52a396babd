"""Checks that need no network and no decoding: do the files of a submission agree with one another? No torch."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import product
from typing import Any

from stepbench.board.badges import VERDICT
from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import StepbenchError
from stepbench.records import Suite
from stepbench.runs.summary import summarize
from stepbench.submissions.limits import Limits
from stepbench.submissions.outcome import Check, outcome
from stepbench.submissions.read import Submission
from stepbench.submissions.scan import read_object

STATEMENT_FILE = "contamination.toml"
STATEMENT_FIELDS = {"submitter": str, "trained_on_suite_prompts": bool, "trained_on_suite_clips": bool, "notes": str}

_OWN_FILES = {"SHA256SUMS", "reviews.jsonl", STATEMENT_FILE, VERDICT}
_UNREAD = ("features/", ".")
"""Features are made anew where they are needed; hidden files are locks."""

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def check_files(given: Submission) -> Check:
    """Every file against its line in `SHA256SUMS`, every score and record among them."""
    path = given.folder / "SHA256SUMS"
    if not path.is_file():
        return outcome("files", ["SHA256SUMS is missing"], "")
    problems, listed = [], set[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        # Only names that the scan has found are opened: none of them leads out of the folder.
        if match is None or match[2] not in given.names:
            problems.append(f"SHA256SUMS:{number}: no file of this run: {line[66:166]!r}")
            continue
        listed.add(match[2])
        if sha256_file(given.folder / match[2]) != match[1]:
            problems.append(f"{match[2]} is not the file that was summed")
    previews = {row.get("preview") for row in given.samples.values()}
    strangers = set(given.names) - listed - _OWN_FILES - previews
    problems += [f"{name!r} has no line in SHA256SUMS" for name in sorted(strangers) if not name.startswith(_UNREAD)]
    return outcome("files", problems, f"{len(listed)} files have their sums")


def check_plan(given: Submission) -> Check:
    """Every prompt with every seed, seeds 0 to n-1, no sample twice, and the hash that says so."""
    info, plan = given.info, list(given.plan)
    problems = []
    if info["seeds"] != list(range(len(info["seeds"]))):
        problems.append(f"seed rule: seeds are 0 to n-1, so that none is picked; got {info['seeds']!r:.80}")
    wanted = list(product(given.prompts, info["seeds"]))
    if sorted((row["prompt_id"], row["seed"]) for row in plan) != sorted(wanted):
        problems.append(f"the plan is not every prompt with every seed: {len(plan)} samples, {len(wanted)} wanted")
    if len({row["sample_key"] for row in plan}) != len(plan):
        problems.append("a sample key stands in the plan twice")
    if info["n_planned"] != len(plan):
        problems.append(f"run.json plans {info['n_planned']} samples, plan.jsonl {len(plan)}")
    rows = [{name: row[name] for name in ("sample_key", "prompt_id", "seed")} for row in plan]
    if sha256_json({"suite": info["suite"]["hash"], "samples": rows}) != info["plan_hash"]:
        problems.append("plan_hash does not follow from the plan")
    return outcome("plan", problems, f"{len(given.prompts)} prompts x {len(info['seeds'])} seeds")


def check_suite(given: Submission, suite: Suite | None) -> Check:
    """The suite's hash, and its prompts word by word; all prompts of one of its splits must be there."""
    facts = given.info["suite"]
    if suite is None:
        return outcome("suite", [f"suite {facts['name']!r} is not known here; give it with --suite"], "")
    problems = []
    if suite.hash != facts["hash"]:
        problems.append(f"suite {facts['name']!r} has another hash here: {suite.hash[:12]}, not {facts['hash'][:12]}")
    known = {prompt.id: prompt.to_json() for prompt in suite.prompts}
    for name, prompt in given.prompts.items():
        if known.get(name) != prompt.to_json():
            problems.append(f"prompt {name!r} is not that of the suite")
    splits = {
        split: {p.id for p in suite.prompts if split == "all" or p.split in (split, None)} for split in ("test", "all")
    }
    if set(given.prompts) not in splits.values():
        wanted = splits[suite.card.default_split if suite.card.default_split in splits else "all"]
        problems.append(f"{len(given.prompts)} of {len(wanted)} prompts are covered")
    return outcome("suite", problems, f"{suite.name} {suite.hash[:12]}, all {len(given.prompts)} prompts")


def check_samples(given: Submission) -> Check:
    """Every planned sample was tried, and every clip that was made is here."""
    planned = {row["sample_key"] for row in given.plan}
    problems = [f"sample {key[:12]} is not in the plan" for key in given.samples if key not in planned]
    problems += [f"sample {key[:12]} was never tried" for key in sorted(planned - set(given.samples))]
    made = {key: row for key, row in given.samples.items() if row["outcome"] == "ok"}
    kept = {key: row for key, row in made.items() if not row.get("master_dropped")}
    problems += [f"clip {row['clip']!r} is missing" for row in kept.values() if row["clip"] not in given.names]
    failed = len(planned) - len(made)
    return outcome("samples", problems, f"{len(made)} clips, {failed} failed or refused")


def check_scores(given: Submission) -> Check:
    """Scores belong to the clips that are here, and lie in the range of their metric."""
    planned = {row["sample_key"] for row in given.plan}
    problems = []
    for metric_id, rows in given.scores.items():
        card = given.cards[metric_id]
        if card["id"] != metric_id and not metric_id.startswith(f"{card['id']}:ref-"):
            problems.append(f"{metric_id}: its card has the id {card['id']!r}")
        low, high = _range_of(card)
        for key, row in rows.items():
            if "set_key" not in row and key not in planned:
                problems.append(f"{metric_id}: sample {key[:12]} is not in the plan")
            elif "set_key" not in row and row["clip_sha256"] != given.samples.get(key, {}).get("clip_sha256"):
                problems.append(f"{metric_id}: sample {key[:12]} has a score of another clip")
            if row["status"] == "ok" and not low <= row["value"] <= high:
                problems.append(f"{metric_id}: {row['value']!r} is not between {low} and {high}")
    n = sum(row["status"] == "ok" for rows in given.scores.values() for row in rows.values())
    return outcome("scores", problems, f"{n} scores of {len(given.scores)} metrics")


def check_summary(given: Submission, limits: Limits) -> Check:
    """`summary.json` computed again from the rows."""
    path = given.folder / "summary.json"
    if not path.is_file():
        return outcome("summary", ["summary.json is missing"], "")
    stated = read_object(path, limits)
    try:
        again = summarize(given.planned, given.samples, given.scores, given.cards)
    except (KeyError, TypeError, ValueError, StepbenchError) as error:
        return outcome("summary", [f"the rows cannot be summed up: {type(error).__name__}: {error}"], "")
    return outcome("summary", [] if stated == again else ["summary.json does not follow from the rows"], "follows")


def check_table(given: Submission, limits: Limits) -> Check:
    """`scores.parquet` holds the rows of the journals and nothing else."""
    import pyarrow as pa
    from pyarrow import parquet

    path = given.folder / "scores.parquet"
    if not path.is_file():
        return outcome("table", ["scores.parquet is missing"], "")
    wanted = sorted(_table_rows(given))
    try:
        with parquet.ParquetFile(path, memory_map=True) as table:
            # The number of rows is held against the journals before anything is read.
            meta = table.metadata
            if sum(meta.row_group(place).total_byte_size for place in range(meta.num_row_groups)) > limits.text:
                return outcome("table", [f"scores.parquet unpacks to more than {limits.text} bytes"], "")
            if meta.num_rows != len(wanted):
                return outcome("table", [f"{meta.num_rows} rows, the journals have {len(wanted)}"], "")
            names = ["metric_id", "sample_key", "set_key", "status", "value"]
            rows = table.read(columns=names).select(names).to_pylist()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        return outcome("table", [f"scores.parquet cannot be read: {error!s:.200}"], "")
    found = sorted(
        (row["metric_id"], row["sample_key"] or row["set_key"], row["status"], _text(row["value"])) for row in rows
    )
    return outcome("table", [] if found == wanted else ["scores.parquet is not the rows of the journals"], "follows")


def check_statement(given: Submission, limits: Limits, *, required: bool) -> Check:
    """The contamination statement: who hands in, and whether the suite was trained on."""
    path = given.folder / STATEMENT_FILE
    if not path.is_file():
        if required:
            return outcome("statement", [f"{STATEMENT_FILE} is missing; docs/submitting.md shows one"], "")
        return Check(name="statement", result="skipped", detail=f"no {STATEMENT_FILE}")
    if path.stat().st_size > limits.line:
        return outcome("statement", [f"{STATEMENT_FILE} has more than {limits.line} bytes"], "")
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return outcome("statement", [f"{STATEMENT_FILE}: not TOML: {error}"], "")
    problems = [
        f"{STATEMENT_FILE}: {name} must be {kind.__name__}, got {stated.get(name)!r:.80}"
        for name, kind in STATEMENT_FIELDS.items()
        if type(stated.get(name)) is not kind
    ]
    told = ", ".join(f"{name} = {str(stated.get(name)).lower()}" for name in list(STATEMENT_FIELDS)[1:3])
    return outcome("statement", problems, f"by {stated.get('submitter')!r:.80}: {told}")


def _table_rows(given: Submission) -> Iterator[tuple[str, str, str, str]]:
    planned = {row["sample_key"] for row in given.plan}
    for metric_id, rows in given.scores.items():
        for key, row in rows.items():
            if "set_key" in row or key in planned:
                yield metric_id, key, row["status"], _text(row["value"])


def _text(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _range_of(card: dict[str, Any]) -> tuple[float, float]:
    ends = card.get("range") or [None, None]
    low, high = (end if isinstance(end, int | float) else None for end in (*ends, None, None)[:2])
    return -float("inf") if low is None else low, float("inf") if high is None else high
