"""What one run costs more than another: paired by prompt and seed like quality, in a table of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stepbench.costs.clip_costs import clip_costs, is_imported, machine_of, measures_of
from stepbench.costs.measures import JOULES, cost_card
from stepbench.stats.multiplicity import holm
from stepbench.stats.paired import paired_difference

if TYPE_CHECKING:
    from stepbench.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class CostComparison:
    """Costs of run b against run a; every difference is b minus a.

    Attributes:
        table: One row per measure that both runs have. Columns: metric, n (prompts; translations are one), mean_a,
            mean_b, difference, low, high, p, p_adjusted (Holm over the costs alone), verdict, unit, direction,
            detectable_effect, family. No rows where costs cannot be compared.
        why_not: Why there are no rows, or none for a measure; empty if nothing is missing.
    """

    table: pd.DataFrame
    why_not: str

    def to_json(self) -> dict[str, Any]:
        """Rows and reason as JSON values; NaN becomes None."""
        rows = self.table.astype(object).where(self.table.notna(), None)
        return {"rows": rows.to_dict(orient="records"), "why_not": self.why_not}


_COLUMNS = (
    *("metric", "n", "mean_a", "mean_b", "difference", "low", "high", "p", "p_adjusted", "verdict", "unit"),
    *("direction", "detectable_effect", "family"),
)


def compare_costs(run_a: Run, run_b: Run, *, level: float = 0.95, seed: int = 0) -> CostComparison:
    """Compare the costs of two runs, as far as one machine with one number of workers made the clips of both."""
    why_not = _other_machines(run_a, run_b)
    if why_not:
        return CostComparison(table=pd.DataFrame(columns=list(_COLUMNS)), why_not=why_not)
    costs_a, costs_b = clip_costs(run_a), clip_costs(run_b)
    both = costs_a.merge(costs_b, on=["prompt_id", "seed", "unit"], suffixes=("_a", "_b"), validate="1:1")
    shared = [name for name in measures_of(costs_a) if name in measures_of(costs_b)]
    if JOULES in shared and _sources(costs_a) != _sources(costs_b):
        shared.remove(JOULES)
        why_not = f"joules were counted by {_sources(costs_a)} against {_sources(costs_b)}"
    rows = [_row(name, both, level, seed) for name in shared]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table["p_adjusted"] = holm(table["p"]) if len(table) else []
    table["verdict"] = [_verdict(row, 1 - level) for row in table.to_dict("records")]
    return CostComparison(table=table, why_not=why_not)


def _other_machines(run_a: Run, run_b: Run) -> str:
    for run in (run_a, run_b):
        if is_imported(run):
            return f"the clips of {run.name} were made elsewhere"
        if machine_of(run) is None:
            known = len(run.info.get("made_on", []))
            what = f"were made on {known} machines or with several numbers of workers" if known else "do not say where"
            return f"the clips of {run.name} {what}"
    a, b = machine_of(run_a), machine_of(run_b)
    return "" if a == b else f"the clips were made on other machines: {_named(a)} against {_named(b)}"


def _named(machine: dict[str, Any] | None) -> str:
    machine = machine or {}
    gpus = ", ".join(gpu["name"] for gpu in machine.get("gpus") or [])
    cpu = machine.get("cpu") or {}
    return f"{gpus or cpu.get('model')} ({cpu.get('count')} cores, {machine.get('workers')} workers)"


def _sources(costs: pd.DataFrame) -> str:
    return ", ".join(sorted(costs["joules_from"].dropna().unique()))


def _row(name: str, both: pd.DataFrame, level: float, seed: int) -> dict[str, Any]:
    sides = both[["unit", f"{name}_a", f"{name}_b"]].dropna()
    units: Any = sides.groupby("unit", sort=False).mean()
    stream = hashlib.sha256(f"cost {name}".encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(stream[:8], "big")])
    result = paired_difference(units[f"{name}_a"], units[f"{name}_b"], rng=rng, level=level)
    card = cost_card(name)
    return {
        "metric": name,
        "n": result.n,
        "mean_a": float(units[f"{name}_a"].mean()),
        "mean_b": float(units[f"{name}_b"].mean()),
        "difference": result.estimate,
        "low": result.low,
        "high": result.high,
        "p": result.p,
        "unit": card.unit,
        "direction": card.direction,
        "detectable_effect": result.detectable_effect,
        "family": card.family,
    }


def _verdict(row: dict[str, Any], alpha: float) -> str:
    if row["n"] == 0:
        return "no common clips"
    if not row["p_adjusted"] <= alpha:
        return "not separable"
    return "a cheaper" if row["difference"] > 0 else "b cheaper"
