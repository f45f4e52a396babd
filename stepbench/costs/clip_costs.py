"""What every clip of a run cost, from the rows that were written when it was made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stepbench.costs.measures import JOULES, PEAK_MEMORY, SECONDS, STAGE
from stepbench.runs.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run

LOAD = "load"
"""The stage in which a model is loaded: paid once, not per clip."""
GIB = 2**30


def clip_costs(run: Run) -> pd.DataFrame:
    """One row per planned sample, in plan order; NaN where a clip was not made or a measure was not taken.

    Columns: sample_key, prompt_id, seed, unit (of inference: translations of one prompt are one), outcome, `seconds`
    (total without loading), `seconds_<stage>` for every stage that a generator measured, `peak_memory` in GiB,
    `joules`, joules_from. `spent_seconds` is there for failed and refused samples too: their time was paid as well.

    Clips that were made elsewhere and imported have no cost here.
    """
    import pandas as pd

    made = RunFolder(run.folder).read_samples()
    rows, elsewhere = [], is_imported(run)
    for key, prompt, seed in run.planned:
        row = made.get(key, {})
        facts = {
            "sample_key": key,
            "prompt_id": prompt.id,
            "seed": seed,
            "unit": prompt.pair_id or prompt.id,
            "outcome": row.get("outcome"),
        }
        rows.append(facts | ({} if elsewhere else _measures(row)))
    frame = pd.DataFrame(rows)
    for name in ("spent_seconds", SECONDS, PEAK_MEMORY, JOULES):
        frame[name] = frame[name].astype("float64") if name in frame else float("nan")
    return frame


def is_imported(run: Run) -> bool:
    """Whether the clips were made elsewhere: the seconds of the run are then those of copying files."""
    return "manifest" in run.info["generator"].get("parameters", {})


def measures_of(costs: pd.DataFrame) -> list[str]:
    """The measures that at least one clip has, `seconds` first, then its stages in order of appearance."""
    stages = [name for name in costs.columns if name.startswith(STAGE)]
    return [name for name in (SECONDS, *stages, PEAK_MEMORY, JOULES) if len(costs[name].dropna())]


def machine_of(run: Run) -> dict[str, Any] | None:
    """The machine that made the clips, and with how many workers; None if there were several, or none is recorded."""
    machines = run.info.get("made_on", [])
    return machines[0] if len(machines) == 1 else None


def _measures(row: dict[str, Any]) -> dict[str, Any]:
    seconds = row.get("seconds", {})
    if "total" not in seconds:
        return {}
    spent = seconds["total"] - seconds.get(LOAD, 0.0)
    if row["outcome"] != "ok":
        return {"spent_seconds": spent}
    # `generate` holds the time of loading too.
    stages = {name: value for name, value in seconds.items() if name != "total"}
    if LOAD in stages and "generate" in stages:
        stages["generate"] -= stages[LOAD]
    return {
        "spent_seconds": spent,
        SECONDS: spent,
        **{STAGE + re.sub(r"[^a-z0-9._-]+", "_", name.lower()): value for name, value in stages.items()},
        PEAK_MEMORY: row["peak_memory_bytes"] / GIB,
        JOULES: row.get("joules"),
        "joules_from": "+".join(row.get("joules_from", [])) or None,
    }
