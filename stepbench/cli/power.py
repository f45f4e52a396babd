"""`stepbench power`, `stepbench power runs/A runs/B --policy gate.toml`, `stepbench power --sd 0.1 --effect 0.02`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stepbench.cli.options import Json, split_names
from stepbench.cli.output import note
from stepbench.errors import ExitCode, UsageError


def power_command(
    run: Path | None = None,
    other: Path | None = None,
    /,
    *,
    metric: Annotated[list[str] | None, Parameter(name=["--metric", "--metrics", "-m"], negative="")] = None,
    policy: Path | None = None,
    effect: float | None = None,
    margin: float | None = None,
    metrics_in_gate: int | None = None,
    drop: float = 1.5,
    sd: float | None = None,
    icc: float | None = None,
    seeds: int = 1,
    prompts: Annotated[int | None, Parameter(name=["--prompts", "-n"])] = None,
    ties: float | None = None,
    votes_per_prompt: int = 1,
    seconds: float | None = None,
    alpha: float | None = None,
    power: float = 0.8,
    gate_power: float = 0.95,
    json: Json = False,
) -> int:
    """Prompts or votes that an effect takes, and the effect that can be seen with what there is.

    Of runs: what their prompts can show, per metric. With --sd: the same from a figure. With neither: votes.

    Args:
        run: Run folder whose scores say how much prompts differ.
        other: A second run: then the differences themselves are measured, which says more.
        metric: Only these metrics, by commas.
        policy: gate.toml: prompts for its margins.
        effect: Difference to be found, in the metric's unit; of votes the shift of the win rate, 0.05 for five points.
        margin: Margin of a gate, in the metric's unit.
        metrics_in_gate: How many metrics that gate has; of a policy it is counted.
        drop: Loss that the gate must call a regression, in margins.
        sd: Standard deviation of per-prompt differences; with --icc that of single scores.
        icc: Share of the variance between prompts: of scores, or of votes with --votes-per-prompt.
        seeds: Clips per prompt, with --sd.
        prompts: How many there are, with --sd or for votes.
        ties: Share of ties among the votes, 0.2 for 20 %.
        votes_per_prompt: Votes on each prompt.
        seconds: Per clip, for hours; a run brings its own.
        alpha: False-alarm rate, two-sided; 0.05, or that of the policy.
        power: Chance of finding the effect.
        gate_power: Chance that the gate passes what is unchanged, and that it catches the drop.
    """
    from stepbench.cli.power_tables import print_sizes, print_votes
    from stepbench.gate import as_policy
    from stepbench.sample_size import (
        TABLE_SHIFTS,
        TABLE_TIES,
        TABLE_VOTES,
        margin_of,
        sizes,
        votes_table,
        win_rate_table,
    )

    demands = as_policy(policy) if policy is not None else None
    alpha = alpha if alpha is not None else demands.alpha if demands is not None else 0.05
    if run is None and sd is None:
        _refuse(policy=policy, margin=margin, metric=metric, metrics_in_gate=metrics_in_gate)
        shares, counts = (ties,) if ties is not None else TABLE_TIES, (prompts,) if prompts is not None else TABLE_VOTES
        shifts = (effect,) if effect is not None else TABLE_SHIFTS
        seen = win_rate_table(shares, prompts=counts, alpha=alpha, power=power)
        needed = votes_table(
            shares, shifts=shifts, per_prompt=votes_per_prompt, icc=icc or 0.0, alpha=alpha, power=power
        )
        print_votes(seen if effect is None else [], needed if prompts is None else [], seconds, json=json)
        if not json:
            note(f"{power:.0%} power at alpha {alpha:g}, two-sided; a tie is half a win; 5 points: 55 against 45 %")
        return ExitCode.OK
    _refuse(ties=ties, votes_per_prompt=None if votes_per_prompt == 1 else votes_per_prompt)
    if demands is not None and margin is not None:
        raise UsageError("--policy and --margin both give margins", hint="keep one of the two")
    names = split_names(metric) or (list(demands.metrics) if demands is not None else None)
    spreads, own_seconds = _spreads(run, other, names, sd, icc, seeds, prompts)
    count = metrics_in_gate or (len(demands.metrics) if demands is not None else 1)
    found = [
        sizes(
            spread,
            effect=effect,
            margin=margin_of(demands, spread) if demands is not None else margin,
            metrics_in_gate=count,
            drop=drop,
            alpha=alpha,
            power=power,
            gate_power=gate_power,
            seconds=seconds if seconds is not None else own_seconds,
        )
        for spread in spreads
    ]
    print_sizes(found, json=json)
    if not json and any(one.prompts_for_gate is not None for one in found):
        note(
            f"for the gate: enough that an unchanged candidate passes, and that a drop of {drop:g} margins is a "
            f"regression, with {gate_power:.0%} each, in a gate of {count} metric{'s' if count > 1 else ''}"
        )
    return ExitCode.OK


def _spreads(
    run: Path | None,
    other: Path | None,
    metrics: list[str] | None,
    sd: float | None,
    icc: float | None,
    seeds: int,
    prompts: int | None,
) -> tuple[list[Any], float | None]:
    from stepbench.runs.run import open_run
    from stepbench.spread import given_spread, seconds_per_clip, spreads_of_pair, spreads_of_run

    if run is None:
        return [given_spread(sd or 0.0, icc=icc, seeds=seeds, prompts=prompts or 0)], None
    _refuse(sd=sd, icc=icc, prompts=prompts, seeds=None if seeds == 1 else seeds)
    opened = open_run(run)
    if other is None:
        return spreads_of_run(opened, metrics), seconds_per_clip(opened)
    return spreads_of_pair(opened, open_run(other), metrics), seconds_per_clip(opened)


def _refuse(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} has no meaning here",
                hint="give either runs, or --sd, or neither for votes; `stepbench power --help` says what goes where",
            )
