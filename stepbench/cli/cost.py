"""`stepbench cost runs/A runs/B --price-per-hour 2.5 --accepted review`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.cli.options import Json
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from stepbench.costs.comparison import CostComparison


def cost_command(
    runs: list[Path],
    /,
    *,
    price_per_hour: float | None = None,
    accepted: str | None = None,
    policy: Path | None = None,
    json: Json = False,
) -> int:
    """What the clips of runs cost: seconds by stage, peak memory, joules, clips per hour, price.

    Nothing is guessed: what this machine could not measure is absent. Seconds leave out loading the model.

    Args:
        runs: Run folders.
        price_per_hour: Price of the machine per hour, in any currency.
        accepted: Cost per accepted clip: `review` takes what policy and people accepted, a file of votes (CSV, JSONL or
            Parquet) what annotators did not find bad.
        policy: Of the review; that of the package unless given.
    """
    from stepbench.costs.acceptance import accepted_clips
    from stepbench.costs.summary import summarize_costs
    from stepbench.runs.run import open_run

    if policy is not None and accepted != "review":
        raise UsageError("--policy belongs to --accepted review", hint="add --accepted review")
    opened = [open_run(path) for path in runs]
    records = [
        summarize_costs(
            run,
            price_per_hour=price_per_hour,
            acceptance=None if accepted is None else accepted_clips(run, accepted, policy),
        )
        for run in opened
    ]
    if json:
        print_records(records)
    else:
        for record in records:
            _print_record(record)
    return ExitCode.OK


def print_costs(costs: CostComparison) -> None:
    """The costs of one comparison, below its qualities."""
    rows = [
        {
            "cost": row["metric"],
            "n": row["n"],
            "a": row["mean_a"],
            "b": row["mean_b"],
            "b - a": row["difference"],
            "95% interval": interval(row["low"], row["high"]),
            "p adj.": number(row["p_adjusted"], 2),
            "unit": row["unit"],
            "verdict": row["verdict"],
        }
        for row in costs.table.to_dict("records")
    ]
    if rows:
        print_table(rows, list(rows[0]), title="cost per clip (Holm over the costs alone)")
    if costs.why_not:
        note(f"costs not compared: {costs.why_not}")


def _print_record(record: dict[str, Any]) -> None:
    rows = [
        {
            "per clip": measure["measure"],
            "mean": measure["mean"],
            "95% interval": interval(measure["low"], measure["high"]),
            "highest": measure["max"],
            "unit": " ".join([measure["unit"], *(f"({source})" for source in measure["from"])]),
            "prompts": measure["n_units"],
            "clips": measure["n"],
        }
        for measure in record["measures"]
    ]
    rows.append(_row("clips per hour", record["clips_per_hour"], "1/h"))
    if "price_per_clip" in record:
        rows.append(_row("price", record["price_per_clip"], f"at {record['price_per_hour']:g} per hour"))
    accepted = record.get("accepted")
    if accepted:
        rows.append(_row("share accepted", accepted["share"], f"{accepted['accepted']} of {accepted['planned']}"))
        rows.append(_row("accepted clips per hour", accepted["accepted_clips_per_hour"], "1/h"))
        rows.append(_row("seconds per accepted clip", accepted["seconds_per_accepted_clip"], "s"))
        if accepted["price_per_accepted_clip"]:
            rows.append(_row("price per accepted clip", accepted["price_per_accepted_clip"], ""))
    print_table(rows, list(rows[0]), title=f"{record['generator']} ({record['run']})")
    counts = ", ".join(f"{count} {name}" for name, count in record["clips"].items())
    note(f"clips: {counts}; {record['workers']} workers; loading the model is left out")
    if record["machine"] is None:
        note("several machines made these clips, or none is recorded: per hour means per worker")
    if "joules" not in [measure["measure"] for measure in record["measures"]]:
        note("no joules: no readable NVML or RAPL counter, or more than one worker; see docs/cost.md")
    if accepted:
        note(f"accepted by {accepted['by']}" + _waiting(accepted["waiting"]))


def _row(name: str, value: dict[str, Any], unit: str) -> dict[str, Any]:
    return {
        "per clip": name,
        "mean": value["mean"],
        "95% interval": interval(value["low"], value["high"]),
        "unit": unit,
    }


def _waiting(count: int) -> str:
    return f"; {count} clips wait for a person and do not count as accepted: stepbench review RUN --queue" * bool(count)
