"""Votes and a verdict of a gate for boards with the runs `best`, `second` and `last`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stepbench.gate import check
from stepbench.gate.write import write_reports
from stepbench.preferences.formats.votes_table import votes_frame
from stepbench.runs.run import open_run


def fallen_behind(runs: Path) -> None:
    """A verdict in `runs/gates`: `last` has fallen behind `best`."""
    policy = {"alpha": 0.05, "min_coverage": 0.5, "metrics": {"shine": {"margin": 0.1}}}
    result = check(runs / "last", runs / "best", policy)
    write_reports(result, out=runs / "gates" / "last.json")


def votes(root: Path) -> None:
    """`studies/taste.parquet`: two people and a program prefer `best` to `second`, more often than not."""
    rng = np.random.default_rng(5)
    made = {name: open_run(root / "runs" / name).samples().set_index("prompt_id") for name in ("best", "second")}
    rows = []
    for prompt in made["best"].index:
        for annotator in ("ann-1", "ann-2", "sim-1"):
            left, right = ("best", "second") if rng.random() < 0.5 else ("second", "best")
            liked = "best" if rng.random() < 0.8 else "second"
            row = {
                "vote_id": f"v-{prompt}-{annotator}",
                "pair_id": f"pair-{prompt}",
                "kind": "real",
                "dimension": "overall",
                "winner": "a" if liked == left else "b",
                "prompt_id": prompt,
                "text": made["best"].text[prompt],
                "language": made["best"].language[prompt],
                "category": made["best"].category[prompt],
                "annotator": annotator,
                "simulated": annotator == "sim-1",
                "propensity": 1.0,
                "started_at": "2026-01-02T03:04:05+00:00",
                "submitted_at": "2026-01-02T03:04:15+00:00",
                "reasons": [],
            }
            for side, run in (("a", left), ("b", right)):
                sample = made[run].loc[prompt]
                row |= {
                    f"model_{side}": f"toy:{run}",
                    f"run_{side}": run,
                    f"seed_{side}": 0,
                    f"sample_key_{side}": sample["sample_key"],
                    f"clip_{side}": sample["clip"],
                    f"clip_sha256_{side}": sample["clip_sha256"],
                    f"frames_{side}": 4,
                    f"fps_{side}": 8.0,
                }
            rows.append(row)
    (root / "studies").mkdir()
    votes_frame(rows).to_parquet(root / "studies" / "taste.parquet")
