"""What people decided about clips: append-only rows in the run folder, each with who, why, when and over what."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from stepbench.errors import UsageError
from stepbench.provenance import now
from stepbench.review.findings import Finding
from stepbench.review.policy import Policy
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, read_journal, saving

Choice = Literal["accept", "reject", "reopen"]
"""`reopen` takes a decision back: the policy's own verdict counts again."""


def append_decision(
    folder: RunFolder,
    sample: Mapping[str, Any],
    choice: Choice,
    *,
    by: str,
    why: str,
    policy: Policy,
    findings: Sequence[Finding],
    verdict: str,
) -> dict[str, Any]:
    """Add a decision to the journal and have it on disk; several people may do so at once. Nothing is ever rewritten.

    Args:
        folder: Of the run.
        sample: Row of the run's samples with sample_key, clip_sha256, prompt_id and seed.
        choice: The decision.
        by: Who decides: a name or a pseudonym.
        why: In words.
        policy: In force while the person decided.
        findings: What it found; its reasons are kept, so that later ones can be told from those that were known.
        verdict: What the policy said by itself.

    Raises:
        UsageError: An empty name or reason, or an unknown choice.
        IncompleteError: The row cannot be saved.
    """
    if choice not in get_args(Choice):
        raise UsageError(f"a decision is {', '.join(get_args(Choice))}, got {choice!r}")
    if not by.strip() or not why.strip():
        raise UsageError("a decision needs who made it and why", hint='add --by NAME --why "..."')
    row = {
        "sample_key": sample["sample_key"],
        "clip_sha256": sample["clip_sha256"],
        "prompt_id": sample["prompt_id"],
        "seed": int(sample["seed"]),
        "decision": choice,
        "by": by.strip(),
        "why": why.strip(),
        "at": now(),
        "policy": {"name": policy.name, "sha256": policy.hash},
        "verdict": verdict,
        "known": sorted({f"{one.axis}.{one.rule}" for one in findings if one.verdict != "accept"}),
        "reasons": [one.reason for one in findings if one.reason],
    }
    path = folder.reviews
    with saving(path):
        # Held until the row is on disk: a journal that opens cuts off what looks like a torn line.
        lock = path.open("a")
    with lock:
        with saving(path):
            fcntl.flock(lock, fcntl.LOCK_EX)
        with Journal(path) as journal:
            journal.append([row])
    return row


def standing_decisions(folder: RunFolder) -> dict[tuple[str, str], dict[str, Any]]:
    """(sample key, clip sha256) -> the last decision about that very clip; none where it was reopened."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in read_journal(folder.reviews):
        rows[row["sample_key"], row["clip_sha256"]] = row
    return {key: row for key, row in rows.items() if row["decision"] != "reopen"}
