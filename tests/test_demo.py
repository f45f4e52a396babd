"""The demo on its smallest scale: every step of the loop with the models that ship."""

from __future__ import annotations

import json

import pytest

from stepbench.cli.main import main
from stepbench.demo import GENERATORS, run_demo
from stepbench.preferences import Study


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def test_every_variant_is_run_compared_and_put_on_the_board(out):
    told: list[str] = []
    demo = run_demo(out, limit=2, say=told.append)
    assert [run.generator_name for run in demo.runs] == list(GENERATORS)
    assert {run.info["status"] for run in demo.runs} == {"complete"}
    assert [(one.generator_a, one.generator_b) for one in demo.comparisons] == [
        (GENERATORS[0], other) for other in GENERATORS[1:]
    ]
    for comparison in demo.comparisons:
        assert "shape_alignment" in set(comparison.table()["metric"])
    assert (demo.board / "board.json").is_file() or any(demo.board.iterdir())
    assert told[0].startswith("1/3 step-video:tiny: 2 prompts")
    # Three pairs of models on two prompts, each with all of its votes, and none of them by a person.
    with Study.open(demo.study) as study:
        real = study.pairs().query("kind == 'real'")
    assert len(real) == 6
    assert demo.ratings.counted.simulated
    assert set(demo.ratings.dimensions[0].models["model"]) == set(GENERATORS)
    counts = demo.ratings.dimensions[0].head_to_head[["wins", "ties", "losses"]]
    assert counts.to_numpy().sum() == real["target_votes"].sum()


def test_the_command_finds_its_work_done_and_prints_a_row_per_metric(out, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(out), "--limit", "2", "--json"])
    assert ended.value.code == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["metric"].split()[0] for row in rows][-1] == "shape_alignment"
    assert all(set(row) == {"metric", *GENERATORS} for row in rows)
