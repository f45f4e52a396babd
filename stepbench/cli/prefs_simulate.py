"""`stepbench prefs simulate STUDY --annotators 20`: votes of programs, for tests and for planning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode, UsageError


def simulate(
    study: Path,
    /,
    *runs: Path,
    annotators: int = 20,
    seed: int = 0,
    by: str | None = None,
    sharpness: float = 2.0,
    strength: Annotated[list[str] | None, Parameter(negative="")] = None,
    tie_share: float = 0.15,
    side_bias: float = 0.0,
    annotator_sd: float = 0.3,
    prompt_sd: float = 0.5,
    careless: float = 0.0,
    skip_share: float = 0.0,
    max_votes: int | None = None,
    json: Json = False,
) -> int:
    """Let simulated annotators vote until nothing is left. Their votes say so, and never mix with people's.

    Args:
        study: Study folder.
        runs: The study's runs, where --by takes their scores.
        annotators: How many.
        seed: Same seed, same votes.
        by: Metric whose scores decide what is liked, such as shape_alignment; else every model has a strength.
        sharpness: With --by: log-odds between two clips whose scores are one standard deviation apart.
        strength: MODEL=LOG-ODDS, repeated; drawn by seed where none is given.
        tie_share: Ties between clips that are equally good.
        side_bias: Log-odds by which the clip on the left is favoured.
        annotator_sd: How far annotators differ, in log-odds.
        prompt_sd: How far prompts differ in which model they suit, in log-odds.
        careless: Share of annotators who answer at random.
        skip_share: Share of pairs that are skipped.
        max_votes: Stop after so many.
    """
    from stepbench.preferences import Study
    from stepbench.preferences.metric_taste import metric_utilities
    from stepbench.preferences.simulate import Population, simulate_votes
    from stepbench.runs.run import open_run

    if (by is None and runs) or (by is not None and not runs):
        raise UsageError(
            "--by takes scores from the study's runs, and runs are of use with --by only",
            hint="for example: stepbench prefs simulate STUDY RUN RUN --by shape_alignment",
        )
    population = Population(
        annotators=annotators,
        seed=seed,
        tie_share=tie_share,
        side_bias=side_bias,
        annotator_sd=annotator_sd,
        prompt_sd=prompt_sd,
        careless=careless,
        skip_share=skip_share,
    )
    with Study.open(study) as opened:
        liked = metric_utilities(opened, [open_run(run) for run in runs], by, sharpness=sharpness) if by else None
        given = simulate_votes(
            opened, population, strengths=_strengths(strength or []), utilities=liked, max_votes=max_votes
        )
    if json:
        print_records([{"votes": given, "annotators": annotators, "simulated": True}])
    note(f"{given} simulated votes of {annotators} programs, labelled as such")
    return ExitCode.OK


def _strengths(texts: list[str]) -> dict[str, float] | None:
    """`["base=0.5"]` as {"base": 0.5}; None where nothing is given. A model's name may hold `=`."""
    found: dict[str, float] = {}
    for text in texts:
        model, _, value = text.rpartition("=")
        try:
            found[model] = float(value)
        except ValueError:
            found[model] = math.nan
        if not model or not math.isfinite(found[model]):
            raise UsageError(f"--strength must be MODEL=NUMBER, got {text!r}", hint="for example --strength base=0.5")
    return found or None
