"""Commands of the recipe plan the very samples that the run planned; costs and verdicts in words."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from stepbench import api
from stepbench.cli.options import parse_seeds, split_names
from stepbench.errors import RunFolderError
from stepbench.generators.registry import make_generator
from stepbench.generators.settings import parse_settings
from stepbench.reporting.cells import p_text, shown, signed
from stepbench.reporting.costs import cost_of
from stepbench.reporting.model import Difference
from stepbench.reporting.recipe import commands
from stepbench.reporting.run_tables import cost_table
from stepbench.reporting.verdict import listed, sentence
from stepbench.runs.run import open_run
from stepbench.suites import load_suite


def planned_again(line: str) -> str:
    """The plan hash of a `stepbench run` command."""
    words = shlex.split(line)
    assert words[:2] == ["stepbench", "run"]
    options: dict[str, list[str]] = {}
    rest = words[2:]
    while rest:
        name = rest.pop(0)
        options.setdefault(name, []).extend([] if name == "--no-score" else [rest.pop(0)])
    made = api.plan(
        make_generator(options["-M"][0]),
        load_suite(options["-t"][0]),
        seeds=parse_seeds(options["--seeds"][0]),
        limit=int(options["-L"][0]) if "-L" in options else None,
        split=options.get("--split", [None])[0],
        languages=split_names(options.get("--languages")) or (),
        categories=split_names(options.get("--categories")) or (),
        settings=parse_settings(options.get("--set", [])),
    )
    return made.hash


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 2, "seeds": (0, 1)},
        {"limit": 2, "languages": ("zh",)},
        {"limit": 1, "split": "train", "seeds": (3, 7)},
        {"limit": 2, "settings": {"frames": 9, "height": 32, "width": 32}},
    ],
)
def test_the_command_plans_the_same_samples(options: dict[str, Any], tmp_path: Path) -> None:
    run = api.run("world:exact", "moving-shapes", metrics=(), out=tmp_path, **options)
    (line,) = commands(run)
    assert planned_again(line) == run.info["plan_hash"]


def test_metrics_are_asked_for_with_their_options(tmp_path: Path) -> None:
    metrics = ["flicker", "dynamic_degree(flow=dis)", "sharpness"]
    run = api.run("world:exact", "moving-shapes", metrics=metrics, limit=1, out=tmp_path)
    (line,) = commands(run)
    words = shlex.split(line)
    assert split_names([words[words.index("-m") + 1]]) == metrics


def test_what_a_command_cannot_hold_is_said(runs: dict[str, Path]) -> None:
    *remarks, line = commands(open_run(runs["base"]))
    assert remarks[0] == "# 20 prompts were planned, those in runs/base/prompts.jsonl"
    assert remarks[1].startswith("# the suite with hash")
    assert "--seeds 0..1" in line
    assert line.endswith("-m shine,wobble --run-id base")


def test_cost_is_the_mean_over_the_clips_that_were_made(runs: dict[str, Path]) -> None:
    rows = [json.loads(line) for line in (runs["gaps"] / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    totals = [row["seconds"]["total"] for row in rows if row["outcome"] == "ok"]
    cost = cost_of("gaps", open_run(runs["gaps"]), "x")
    assert cost.n == len(totals) == 36
    assert cost.seconds is not None
    # All prompts have two seeds, so the mean over prompts is the mean over clips.
    assert cost.seconds == pytest.approx(sum(totals) / 36)
    assert cost.median is not None
    assert sorted(totals)[0] <= cost.median <= sorted(totals)[-1]
    assert cost.peak_memory_bytes == max(row["peak_memory_bytes"] for row in rows if row["outcome"] == "ok")
    assert cost.joules is None
    table = cost_table([cost])
    assert "Joules per clip" not in table.columns
    assert len(table.rows[0]) == len(table.columns)


def row(metric: str, verdict: str, n: int = 8) -> Difference:
    nothing = dict.fromkeys(("mean_baseline", "mean_run", "difference", "low", "high", "p", "p_adjusted"), None)
    return Difference(
        **{"metric_id": metric, "metric": metric, "unit": "", "direction": "higher", "n": n, "verdict": verdict},
        **{"wins": 0, "ties": 0, "losses": 0, "detectable_effect": None, "coverage_baseline": 1.0, "coverage_run": 1.0},
        **nothing,
    )


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        (["b better", "b better"], "x is better than y on m0 and m1."),
        (["a better"], "x is worse than y on m0."),
        (["b better", "a better"], "x is better than y on m0; worse on m1."),
        (["b higher", "a higher"], "x is different in m0 (higher) and m1 (lower), where neither way is better."),
        (["no common scores"], "x and y have no scores in common."),
    ],
)
def test_verdicts_in_words(verdicts: list[str], text: str) -> None:
    assert sentence("x", "y", [row(f"m{place}", verdict) for place, verdict in enumerate(verdicts)]) == text


def test_no_difference_is_no_proof() -> None:
    text = sentence("x", "y", [row("m0", "not separable"), row("m1", "not separable")])
    assert text.startswith(
        "x cannot be told apart from y by any of 2 metrics: no difference was found, which is no proof"
    )
    mixed = sentence("x", "y", [row("m0", "b better"), row("m1", "not separable")])
    assert mixed.startswith("x is better than y on m0. Not separable on m1: no difference")


def test_lists_and_numbers_in_words() -> None:
    assert listed([]) == "nothing"
    assert listed(["a"]) == "a"
    assert listed(list("abc")) == "a, b and c"
    assert listed(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
    assert (shown(None), shown(183.7, digits=2), shown(4.42e-05, digits=2)) == ("–", "180", "4.4e-05")
    assert (signed(0.25, 0.1), signed(-0.25, 0.1), signed(0.0, 0.1)) == ("+0.25", "-0.25", "0.00")
    assert (p_text(None), p_text(0.0), p_text(0.04321)) == ("–", "<0.0001", "0.043")


def test_a_run_without_its_plan_is_named(runs: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    from stepbench.reporting import build_report

    shutil.copytree(runs["base"], tmp_path / "base")
    (tmp_path / "base" / "plan.jsonl").unlink()
    with pytest.raises(RunFolderError, match=r"plan\.jsonl is missing"):
        build_report([tmp_path / "base"])
