"""What a report says: numbers of the runs themselves, comparisons, warnings, and clear answers to bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from board_runs import card, level, make_run, rewrite

from stepbench.comparison import compare
from stepbench.errors import NotComparableError, NothingSelectedError, RunFolderError, UsageError
from stepbench.reporting import ExampleOptions, Report, build_report
from stepbench.runs.folder import RunFolder
from stepbench.runs.run import open_run
from stepbench.runs.set_members import set_key, set_members


def test_means_are_those_of_the_summaries(report: Report, runs: dict[str, Path]) -> None:
    # The toy scores are written behind the run's back, so its own summary.json does not know them.
    scores = open_run(runs["better"]).scores()
    shine = scores[scores.metric == "shine"].assign(unit=lambda frame: frame.pair_id)
    row = next(row for row in report.overall() if (row.run, row.metric) == ("better", "shine"))
    assert row.mean == pytest.approx(shine.groupby("unit").value.mean().mean(), rel=1e-12)
    assert (row.n_units, row.n_scored, row.n_planned, row.coverage) == (10, 40, 40, 1.0)
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.mean < row.high


def test_differences_are_those_of_compare(report: Report, runs: dict[str, Path]) -> None:
    table = compare(open_run(runs["base"]), open_run(runs["better"])).table()
    rows = report.pairings[0].differences
    assert [row.difference for row in rows] == list(table.difference)
    assert [row.p_adjusted for row in rows] == list(table.p_adjusted)
    assert [row.verdict for row in rows] == ["b better", "b better"]
    assert {group for group, _ in report.pairings[0].by["language"]} == {"en", "zh"}
    assert len(report.pairings[0].by["category"]) == 4


def test_better_run_has_the_first_rank_and_missing_ones_have_none(report: Report) -> None:
    ranks = {(row.run, row.metric): (row.rank_low, row.rank_high) for row in report.overall()}
    assert ranks["better", "shine"] == (1, 1)
    assert ranks["base", "shine"] == ranks["gaps", "shine"] == (2, 3)
    assert ("gaps", "wobble") not in ranks


def test_words_of_head_and_warnings(report: Report, nasty: tuple[str, str]) -> None:
    assert report.summary[1] == "toy:better is better than toy:base on shine and wobble."
    assert report.summary[2].startswith(
        f"{nasty[1]} cannot be told apart from toy:base by the one metric: no difference"
    )
    (gap,) = [text for text in report.warnings if "has gaps" in text]
    assert "scored over planned is shine 36/40; not scored at all by wobble" in gap
    assert [(row.outcome, row.where) for row in report.failures if row.run == "gaps"] == [
        ("failed", "p1-en seed 0"),
        ("failed", "p1-en seed 1"),
        ("refused", "p2-zh seed 0"),
        ("refused", "p2-zh seed 1"),
    ]


def test_examples_are_the_extremes_of_the_clearest_metric(report: Report, runs: dict[str, Path]) -> None:
    groups = {group.title: group for group in report.examples}
    assert list(groups) == ["Most different", "Best", "Worst"]
    assert "Shine ↑" in groups["Best"].rule
    frames = [open_run(runs[name]).scores() for name in ("base", "better", "gaps")]
    tables = [frame[frame.metric == "shine"].set_index(["prompt_id", "seed"]).value for frame in frames]
    gaps = [(table - tables[0]).abs() for table in tables[1:]]
    first = groups["Most different"].examples[0]
    widest = max(gaps[0].max(), gaps[1].max())
    assert max(gap.get((first.prompt_id, first.seed), 0) for gap in gaps) == widest
    families = [example.prompt_id.partition("-")[0] for group in report.examples for example in group.examples]
    assert len(families) == len(set(families)) == 6
    assert [side.label for side in first.sides][:2] == ["toy:base", "toy:better"]
    assert first.sides[0].values["shine@1:native"] == tables[0][first.prompt_id, first.seed]


def test_a_single_run_needs_no_baseline(runs: dict[str, Path]) -> None:
    alone = build_report([runs["base"]], examples=ExampleOptions(count=1, videos="none"))
    assert alone.pairings == ()
    assert alone.title == "toy:base on toys"
    assert "single run has no verdict" in alone.summary[1]
    assert {row.rank_low for row in alone.rows} == {None}
    assert [group.title for group in alone.examples] == ["Best", "Worst"]


def test_incomparable_runs_are_refused_with_the_fields_or_shown_apart(runs: dict[str, Path]) -> None:
    with pytest.raises(NotComparableError, match=r"seeds: \[0, 1\] against \[0, 5\]"):
        build_report([runs["base"], runs["other"]])
    with pytest.raises(UsageError, match="needs a reason"):
        build_report([runs["base"], runs["other"]], allow_incomparable=" ")
    forced = build_report([runs["base"], runs["better"], runs["other"]], allow_incomparable="seed 1 was lost")
    assert forced.pairings[0].incomparable == ()
    assert forced.pairings[1].incomparable == ("seeds: [0, 1] against [0, 5]",)
    assert any("NOT COMPARABLE" in text and "seed 1 was lost" in text for text in forced.warnings)
    ranks = {row.run: row.rank_low for row in forced.overall() if row.metric == "shine"}
    assert ranks == {"base": 2, "better": 1, "other": None}


def test_an_unfinished_run_is_reported_with_what_is_there(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(runs["base"], folder)
    lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "samples.jsonl").write_text("".join(lines[:10]), encoding="utf-8")
    (folder / "summary.json").unlink()
    rewrite(folder, status="interrupted")
    cut = build_report([folder])
    row = next(row for row in cut.overall() if row.metric == "shine")
    assert (row.n_scored, row.n_planned) == (10, 40)
    assert any("is not finished (interrupted): 30 of 40 samples" in text for text in cut.warnings)
    # `stepbench score` on such a run ends as incomplete; samples that were never tried are still to come.
    rewrite(folder, status="incomplete")
    assert any("is not finished (incomplete): 30 of 40 samples" in text for text in build_report([folder]).warnings)


def test_the_same_run_id_in_two_folders_is_told_apart(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["base"], tmp_path / "candidate" / "base")
    twins = build_report([runs["base"], tmp_path / "candidate" / "base"])
    assert len({run.label for run in twins.runs}) == 2
    assert twins.runs[1].label == f"toy:base ({(tmp_path / 'candidate' / 'base').as_posix()})"
    assert "cannot be told apart" in twins.summary[1]


def test_bad_input_has_a_clear_answer(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="need a run or more, got none"):
        build_report([])
    with pytest.raises(UsageError, match=r"run \S+/base is given twice"):
        build_report([runs["base"], runs["base"]])
    with pytest.raises(NothingSelectedError, match="nothing to report: bare has no scores"):
        build_report([runs["bare"]])
    with pytest.raises(NothingSelectedError, match="metric 'shin' was scored in no run"):
        build_report([runs["base"]], metrics=["shin"])
    with pytest.raises(RunFolderError, match=r"run\.json is missing"):
        build_report([tmp_path])
    with pytest.raises(UsageError, match="examples must be 0 or more, got -1"):
        ExampleOptions(count=-1)
    with pytest.raises(UsageError, match="no clip has a score of 'gloss'"):
        build_report([runs["base"]], examples=ExampleOptions(lead="gloss"))


def test_broken_cards_are_refused_before_anything_is_written(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["base"], tmp_path / "base")
    rewrite(tmp_path / "base", metric_cards={"shine@1:native": {**card("shine"), "direction": "<b>up"}})
    with pytest.raises(RunFolderError, match="direction must be"):
        build_report([tmp_path / "base"])


def test_unscored_run_beside_a_scored_one_has_gaps_and_no_verdict(runs: dict[str, Path]) -> None:
    mixed = build_report([runs["base"], runs["bare"]])
    assert mixed.pairings[0].differences == ()
    assert "have no scored prompt and seed in common" in mixed.summary[1]
    assert any("toy:bare has gaps: not scored at all by shine and wobble" in text for text in mixed.warnings)


def test_hopeless_sample_sizes_are_named(make_small: Callable[[str, int], Path]) -> None:
    small = build_report([make_small("one", 0), make_small("two", 1)])
    (text,) = [text for text in small.warnings if "no difference can pass" in text]
    # Flips of 3 signs give no p below 2/8; Holm over 2 metrics doubles it.
    assert "3 prompts and 2 metrics" in text
    assert "least adjusted p 0.5" in text


@pytest.fixture
def make_small(tmp_path: Path) -> Callable[[str, int], Path]:
    from board_runs import suite

    def make(name: str, seed: int) -> Path:
        values = {"shine": level(9.0 * seed, seed), "wobble": level(9.0 * seed, seed)}
        return make_run(tmp_path, name, values, on=suite(prompts=3))

    return make


def with_set_metric(folder: Path, value: float) -> None:
    """Give a run a metric of all clips together, as `stepbench score -m fvd` would leave it."""
    fvd: dict[str, Any] = {**card("fvd", "lower"), "level": "set", "needs": ["reference"]}
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    rewrite(folder, metric_cards={**info["metric_cards"], fvd["id"]: fvd})
    files = RunFolder(folder)
    run = open_run(folder)
    made = files.read_samples()
    members = set_members([key for key, _, _ in run.planned], made, {})
    row = {
        "set_key": set_key(members, made),
        "metric_id": fvd["id"],
        **{"value": value, "low": value - 1, "high": value + 1, "method": "bootstrap over prompts", "n": 40},
        **{"n_reference": 64, "n_units": 10, "floor": 7.5, "floor_n": 32, "caution": "few clips", "status": "ok"},
        "error": None,
    }
    (folder / "scores" / f"{fvd['id']}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")


def test_set_metrics_come_with_floor_and_caution(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["base"], tmp_path / "base")
    with_set_metric(tmp_path / "base", 40.0)
    found = build_report([tmp_path / "base"])
    (value,) = found.sets
    assert (value.value, value.low, value.floor, value.floor_n, value.n_reference) == (40.0, 39.0, 7.5, 32, 64)
    assert value.caution == "few clips"
    row = next(row for row in found.overall() if row.metric == "fvd")
    assert (row.mean, row.rank_low, row.method) == (40.0, None, "bootstrap over prompts")
