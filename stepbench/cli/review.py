"""`stepbench review runs/RUN --policy quality.toml`, `--queue`, and `--decide SAMPLE accept --by NAME --why "..."`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stepbench.review.review import ClipReview, Review

SHOWN = 40


def review_command(
    run: Path,
    /,
    *,
    policy: Path | None = None,
    queue: Annotated[bool, Parameter(negative="")] = False,
    decide: Annotated[tuple[str, Literal["accept", "reject", "reopen"]] | None, Parameter(negative="")] = None,
    by: str = "",
    why: str = "",
    json: Json = False,
) -> int:
    """Hold the clips of a run against a quality policy: accept, human review or reject, with reasons.

    A missing score, a failed metric or weights that are not there mean human review, never accept. Decisions of people
    are appended to `reviews.jsonl` in the run folder. Exit code 3 while clips wait for a person or samples lack a clip,
    0 once every planned sample is accepted or rejected; --queue and --decide end with 0 when they did what was asked.

    Args:
        run: Run folder.
        policy: TOML file; that of the package unless given.
        queue: List the clips that wait for a person.
        decide: SAMPLE (PROMPT-ID-sSEED) and accept, reject, or reopen, which takes a decision back.
        by: Who decides.
        why: Why.
    """
    from stepbench.review.policy import read_policy
    from stepbench.review.review import decide as write_decision
    from stepbench.review.review import review_run
    from stepbench.runs.run import open_run

    if decide is None and (by or why):
        raise UsageError("--by and --why belong to --decide", hint="add --decide SAMPLE accept")
    reviewed = review_run(open_run(run), read_policy(policy))
    if decide is not None:
        row = write_decision(reviewed, decide[0], decide[1], by=by, why=why)
        if json:
            print_records([row])
        note(f"{decide[0]}: {decide[1]}, written to {run / 'reviews.jsonl'}")
        return ExitCode.OK
    clips = reviewed.queue if queue else reviewed.clips
    if json:
        print_records(clip.to_json() for clip in clips)
    else:
        _print_clips(reviewed, [clip for clip in clips if queue or clip.standing != "accept"])
    _note(reviewed)
    open_ends = reviewed.counts["review"] + reviewed.without_clip
    return ExitCode.INCOMPLETE if open_ends and not queue else ExitCode.OK


def _print_clips(review: Review, clips: Sequence[ClipReview]) -> None:
    rows = [
        {
            "clip": clip.name,
            "stands": clip.standing,
            **{axis: clip.axis(axis) or "waived" for axis in review.policy.rules},
            "reasons": "; ".join(clip.reasons),
            "decided": _told(clip),
            "to look at": str(review.run.folder / (clip.sample["preview"] or clip.sample["clip"])),
        }
        for clip in clips[:SHOWN]
    ]
    if rows:
        print_table(rows, list(rows[0]), title=f"{review.run.generator_name} under policy {review.policy.name}")
    if len(clips) > SHOWN:
        note(f"... and {len(clips) - SHOWN} more: --json lists all")


def _told(clip: ClipReview) -> str:
    if clip.decision is None:
        return ""
    told = f"{clip.decision['decision']} by {clip.decision['by']}: {clip.decision['why']}"
    return told + (f" (before {', '.join(clip.overtaken)})" if clip.overtaken else "")


def _note(review: Review) -> None:
    counts, policy = review.counts, review.policy
    note(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    note(f"policy {policy.name} ({policy.hash[:12]})")
    for what, why in [*policy.waived.items(), *policy.skipped.items()]:
        note(f"NOT LOOKED AT: {what}: {why}")
    if review.unscored:
        note(f"not scored: stepbench score {review.run.folder} -m {','.join(review.unscored)}")
    if counts["review"]:
        note('decide with: stepbench review RUN --decide CLIP accept --by NAME --why "..." (with the same --policy)')
