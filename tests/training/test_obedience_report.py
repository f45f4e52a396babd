"""Attribute by attribute: what a run got right, against what it would get right by chance."""

from __future__ import annotations

import numpy as np
import pytest

import stepbench
from stepbench.errors import NothingSelectedError
from stepbench.training.obedience_report import CHANCE, main, obedience_table


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return {
        name: stepbench.run(f"world:{name}", "moving-shapes", metrics=["sharpness"], seeds=[0], limit=64, out=out)
        for name in ("exact", "wrong-direction")
    }


def test_the_world_itself_gets_everything_right(runs):
    table = obedience_table(runs["exact"], np.random.default_rng(0)).set_index("attribute")
    assert list(table.index) == ["colour", "shape", "size", "direction", "speed", "mean"]
    assert (table[["share", "low", "high", "share_en", "share_zh"]] == 1).all(axis=None)
    assert table.loc["colour", "clips"] == 64
    assert table.loc["speed", "clips"] < 64
    # Dealt anew, captions are right about as often as chance has it: 64 clips, so within some 0.15.
    assert np.allclose(table["shuffled"], table["chance"], atol=0.17)


def test_one_attribute_that_is_always_wrong_shows(runs):
    table = obedience_table(runs["wrong-direction"], np.random.default_rng(0)).set_index("attribute")
    assert table.loc["direction", "share"] == 0
    assert table.loc["colour", "share"] == table.loc["speed", "share"] == 1
    assert 0.75 < table.loc["mean", "share"] < 0.8
    assert CHANCE["direction"] == pytest.approx(1 / 9)


def test_a_run_without_such_scenes_is_refused(runs):
    with pytest.raises(NothingSelectedError, match="has no prompts of level 3"):
        obedience_table(runs["exact"], np.random.default_rng(0), level=3)


def test_the_command_prints_a_table(runs, capsys):
    assert main([str(runs["exact"].folder)]) == 0
    assert "direction  1.000" in capsys.readouterr().out
