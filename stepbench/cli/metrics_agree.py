"""`stepbench metrics agree RUN... --study S`: which metric predicts human votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stepbench.cli.options import Json, Metrics, split_names
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode


def agree(
    runs: list[Path],
    /,
    *,
    study: str,
    metrics: Metrics = None,
    dimension: Annotated[list[str] | None, Parameter(name="--dimension", negative="")] = None,
    seed: int = 0,
    json: Json = False,
) -> int:
    """Hold the scores of runs against the votes of a study: which metric predicts what people prefer?

    Accuracy is the share of votes that a metric predicts, ties included, with an interval over prompts; beside it what
    a coin would reach and how often two people agree.

    Args:
        runs: The runs whose clips the study compares.
        study: Folder or address of the study.
        metrics: Only these; else all with a score per clip.
        dimension: Only these questions of the study, by commas.
        seed: Of the permutation test.
    """
    from stepbench.preferences import Study
    from stepbench.runs.run import open_run
    from stepbench.votes_and_metrics import votes_and_metrics

    table = votes_and_metrics(
        Study.open(study).votes(),
        [open_run(path) for path in runs],
        metrics=split_names(metrics),
        dimensions=split_names(dimension),
        seed=seed,
    )
    records = table.to_dict(orient="records")
    if json:
        print_records(records)
    else:
        rows = [_readable(record) for record in records]
        print_table(rows, list(rows[0]))
        note(
            "accuracy: share of votes predicted, ties included, as many called as people called; chance: with the"
            " direction tossed by a coin; people: how often another person's vote on the pair is the same;"
            " n: votes / pairs / prompts; p by sign flips over prompts, adjusted by Benjamini-Hochberg"
        )
    for line in table.attrs["notes"]:
        note(line)
    return ExitCode.OK


def _readable(record: dict[str, Any]) -> dict[str, Any]:
    arrow = {"higher": "↑", "lower": "↓"}.get(record["direction"], "")
    return {
        "dimension": record["dimension"],
        "metric": f"{record['metric']} {arrow}".strip(),
        "accuracy": number(record["accuracy"], 3),
        "95% interval": interval(record["low"], record["high"]),
        "chance": number(record["chance"], 3),
        "p adj.": number(record["p_adjusted"], 2),
        "winners": number(record["decided"], 3),
        "people": f"{number(record['human'], 3)} {interval(record['human_low'], record['human_high'])}".strip(),
        "metric - people": f"{number(record['gap'], 2)} {interval(record['gap_low'], record['gap_high'])}".strip(),
        "n": f"{record['n']} / {record['n_pairs']} / {record['n_prompts']}",
        "verdict": record["verdict"],
    }
