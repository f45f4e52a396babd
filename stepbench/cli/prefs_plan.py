"""`stepbench prefs plan STUDY RUN RUN ...`: which clips are judged side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode


def plan(
    study: Path,
    /,
    *runs: Path,
    pairing: Literal["all", "balanced", "active", "seeds"] = "balanced",
    pairs: int | None = None,
    votes: int | None = None,
    exploration: float = 0.2,
    allow_incomparable: str | None = None,
    json: Json = False,
) -> int:
    """Plan pairs from runs: two runs' clips of a prompt and seed, or one run's of two seeds, under neutral names.

    Gold pairs, repeats and a calibration round come with them, as the protocol says. Call it again to add to the plan.

    Args:
        study: Study folder.
        runs: Run folders, on the same suite.
        pairing: all pairs; `balanced`: --pairs of them, prompts and models equally often; `active`: those that tell
            most about the ratings, given the votes so far; `seeds`: two clips that one run made of a prompt, to train
            it by Video-DPO.
        pairs: How many real pairs to add; all where nothing is said.
        votes: Votes per pair; by default the protocol's.
        exploration: Share of uniform choice in active pairing, at least 0.2.
        allow_incomparable: Why runs on unequal suites or texts are judged side by side all the same.
    """
    from stepbench.preferences import Study
    from stepbench.preferences.plan import plan_study
    from stepbench.runs.run import open_run

    with Study.open(study) as opened:
        made = plan_study(
            opened,
            [open_run(run) for run in runs],
            pairing=pairing,
            pairs=pairs,
            target_votes=votes,
            exploration=exploration,
            allow_incomparable=allow_incomparable,
        )
    if json:
        print_records([asdict(made)])
    counts = f"{made.real} pairs, {made.gold} gold, {made.repeats} repeats, {made.calibration} for calibration"
    note(f"planned {counts}, of {', '.join(made.models)}")
    for reason, count in made.left_out.items():
        note(f"left out {count}: {reason}")
    if allow_incomparable:
        note(f"incomparable, accepted because: {allow_incomparable}")
    return ExitCode.OK
