"""`benchmarks/training.py` trains by turns and says what it measured."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reference_model import StepVideoTransformer, tiny
from stepbench.training.recipes import RECIPES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("training")
    for name in ("training", "training_tasks"):
        sys.modules.pop(name, None)


@pytest.fixture
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_threads")
def test_a_stage_and_its_switches(benchmark, capsys):
    benchmark.main(["--quick", "--rounds", "1", "--stages", "dpo", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["variant"] for row in rows] == ["recipe (float32, adamw)", "bfloat16", "gradient checkpointing"]
    assert all(row["stage"] == "dpo, batch 2" and row["seconds"] > 0 for row in rows)
    assert rows[0]["ratio"] == rows[0]["peak_ratio"] == 1
    assert rows[2]["peak_ratio"] < 0.9


def test_the_optimiser_alone(benchmark, tmp_path):
    recipe = RECIPES["tiny"]["flow"]()
    place = benchmark.Place(folder=tmp_path, device=torch.device("cpu"), side=32, batch_size=2)
    model = StepVideoTransformer(tiny().transformer)
    kinds = [replace(recipe, matrix_optimiser=kind) for kind in ("muon", "adamw")]
    contenders = [benchmark.optimiser_contender(place, one.matrix_optimiser, model, one) for one in kinds]
    muon, adamw = benchmark.measure("optimiser", contenders, rounds=1)
    trained = 4 * sum(value.numel() for value in model.parameters())
    assert adamw["peak_bytes"] == pytest.approx(2 * trained, rel=0.1)
    assert muon["peak_bytes"] < adamw["peak_bytes"]


def test_clips_encoded_anew_are_of_the_same_shape(benchmark, tmp_path):
    place = benchmark.Place(folder=tmp_path, device=torch.device("cpu"), side=32, batch_size=2)
    recipe = benchmark.measured_recipe("flow", place)
    stored, anew = (
        make(place, recipe).batch(3, [0, 1]) for make in (benchmark.TASKS["flow"], benchmark.uncached_flow_task)
    )
    assert stored.latents.shape == anew.latents.shape == (2, 3, 16, 2, 2)
    assert stored.latents.dtype == anew.latents.dtype == torch.float32
    assert not torch.equal(stored.latents, anew.latents)


def test_every_round_turns_the_order_and_gives_a_ratio(benchmark):
    order = []

    def contender(name, seconds, peak):
        def timed():
            order.append(name)
            return seconds * (10 if len(order) > 2 else 1)

        return benchmark.Contender(name, timed, lambda: peak)

    rows = list(benchmark.measure("stage", [contender("a", 2.0, 100), contender("b", 3.0, 50)], rounds=3))
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [row["ratio"] for row in rows] == [1, 1.5]
    assert (rows[1]["ratio_low"], rows[1]["ratio_high"], rows[1]["peak_ratio"]) == (1.5, 1.5, 0.5)
    assert benchmark.table_line(rows[1]) == "| stage | b | 30 | 0.0333 | x 1.50 | 1.50 to 1.50 | 0.0 | x 0.50 |"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--stages", "sleep"], "invalid choice: 'sleep'"),
        pytest.param(
            ["--device", "cuda"],
            "--device cuda, but PyTorch sees no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_impossible_options_are_refused(benchmark, arguments, complaint, capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(arguments)
    assert complaint in capsys.readouterr().err
