"""`stepbench list suites`, `prompts`, `generators`, `autoencoders`, `metrics`, `weights`, `runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json, Out
from stepbench.cli.output import note, print_records, print_table
from stepbench.cli.weights import list_weights
from stepbench.errors import ExitCode, StepbenchError, UsageError

Kind = Literal["suites", "prompts", "generators", "autoencoders", "metrics", "weights", "runs"]


def list_command(
    kind: Kind,
    /,
    *,
    suite: Annotated[str | None, Parameter(name=["--suite", "-t"])] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> int:
    """List what there is.

    Args:
        kind: What to list.
        suite: For prompts: whose.
    """
    if kind == "prompts" and suite is None:
        raise UsageError("list prompts needs a suite", hint="add -t SUITE")
    if kind == "weights":
        return list_weights(json=json)
    rows = {
        "suites": _suites,
        "prompts": lambda: _prompts(suite or ""),
        "generators": _generators,
        "autoencoders": _autoencoders,
        "metrics": _metrics,
        "runs": lambda: _runs(out),
    }[kind]()
    if json:
        print_records(rows)
    elif kind == "metrics":
        _print_metrics(rows)
    elif rows:
        # A broken run has few columns.
        print_table(rows, list(max(rows, key=len)))
    else:
        note(f"no {kind} here")
    return ExitCode.OK


def _suites() -> list[dict[str, Any]]:
    from stepbench.suites import load_suite, suite_folders
    from stepbench.suites.registry import suite_problems

    for problem in suite_problems().values():
        note(f"not usable: {problem}")
    suites = []
    for name in suite_folders():
        try:
            suites.append(load_suite(name))
        except StepbenchError as error:
            note(f"not usable: {error.message}")
    return [
        {
            "suite": suite.name,
            "version": suite.card.version,
            "prompts": len(suite),
            "languages": " ".join(suite.card.languages),
            "categories": len({prompt.category for prompt in suite.prompts}),
            "licence": suite.card.licence,
            "hash": suite.hash[:12],
            "title": suite.card.title,
        }
        for suite in suites
    ]


def _prompts(name: str) -> list[dict[str, Any]]:
    from stepbench.suites import load_suite

    return [
        {
            "id": prompt.id,
            "language": prompt.language,
            "category": prompt.category,
            "split": prompt.split or "",
            "text": prompt.text,
        }
        for prompt in load_suite(name).prompts
    ]


def _generators() -> list[dict[str, Any]]:
    from stepbench.generators.registry import generator_families
    from stepbench.generators.world import VARIANTS

    rows = [{"generator": f"world:{name}", "what": line} for name, line in VARIANTS.items()]
    for line in generator_families().values():
        spec, _, what = line.partition("  ")
        if not spec.startswith("world:"):
            rows.append({"generator": spec, "what": what})
    return rows


def _autoencoders() -> list[dict[str, Any]]:
    from stepbench.autoencoders.registry import autoencoder_families

    parts = [line.partition("  ") for line in autoencoder_families().values()]
    return [{"autoencoder": spec, "what": what} for spec, _, what in parts]


def _metrics() -> list[dict[str, Any]]:
    from metrics.listing import rows
    from stepbench.costs.measures import cost_card, fixed_measures

    return rows() + [_cost(cost_card(name)) for name in fixed_measures()]


def _cost(card: Any) -> dict[str, Any]:
    """A measure of cost: there is nothing to score, every clip has it already."""
    facts = {"better": card.direction, "unit": card.unit, "family": card.family, "level": card.level, "needs": ""}
    return {"metric": card.name, **facts, "id": card.id, "status": "measured while clips are made: stepbench cost RUN"}


def _print_metrics(rows: list[dict[str, Any]]) -> None:
    """The metrics that are ready as a table; what keeps the others from it below, told once for all it concerns."""
    ready = [row for row in rows if row["status"] == "ready"]
    measured = [row for row in rows if row.get("family") == "cost"]
    if ready:
        print_table(ready, list(ready[0]))
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row not in ready and row not in measured:
            reasons.setdefault(row["status"], []).append(row["metric"])
    for reason, names in reasons.items():
        note(f"unavailable: {', '.join(names)}: {reason}")
    note(f"cost ({', '.join(row['metric'] for row in measured)}): {measured[0]['status']}")


def _runs(out: Path) -> list[dict[str, Any]]:
    from stepbench.runs.folder import RunFolder

    rows = []
    for path in sorted(out.glob("*/run.json")):
        try:
            info = RunFolder(path.parent).read_info()
        except StepbenchError as error:
            rows.append({"run": str(path.parent), "status": error.message})
            continue
        rows.append(
            {
                "run": str(path.parent),
                "status": info["status"],
                "generator": info["generator"]["name"],
                "suite": info["suite"]["name"],
                "samples": info["n_planned"],
                "metrics": len(info["metric_cards"]),
                "updated": info.get("updated_at", ""),
            }
        )
    return rows
