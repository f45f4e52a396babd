"""Set metrics in runs: one value for all clips, with its n, floor and interval; nothing is left out in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from run_files import final_bytes
from set_runs import REFERENCE, RUN, SCORED, feature_files, install_plugin, set_rows, set_summary

from metrics.backbones import BACKBONES
from stepbench import open_run
from stepbench.video import read_clip

TEXTS = ("one", "two", "three", "four")


@pytest.fixture
def reference(stepbench, make_suite, workplace, monkeypatch) -> Path:
    """A finished run of eight clips, and the plugin's metric."""
    make_suite(*TEXTS)
    install_plugin(monkeypatch)
    assert stepbench(*REFERENCE).code == 0
    return workplace / "runs/ref"


@pytest.fixture
def seen(reference, monkeypatch) -> list[int]:
    """How many clips the backbone was asked about, call by call."""
    import toy_plugin

    calls: list[int] = []
    features = toy_plugin.MeanColours.features
    monkeypatch.setattr(
        toy_plugin.MeanColours, "features", lambda self, clips: calls.append(len(clips)) or features(self, clips)
    )
    return calls


def clips_of(run: Path) -> torch.Tensor:
    files = [run / name for name in open_run(run).samples()["clip"]]
    return torch.stack([torch.from_numpy(read_clip(path).frames) for path in files])


@pytest.mark.filterwarnings("ignore::metrics.errors.MetricWarning")
def test_the_value_is_that_of_the_metric_on_the_clips(stepbench, workplace, reference):
    from toy_plugin import ToyFVD

    ended = stepbench(*SCORED, "r")
    run = workplace / "runs/r"
    assert ended.code == 0
    metric = ToyFVD()
    metric.update(clips_of(run), clips_of(reference))
    (row,) = set_rows(run)
    assert row["value"] == pytest.approx(float(metric.compute()), rel=1e-9)
    assert (row["n"], row["n_reference"], row["n_units"], row["floor_n"]) == (8, 8, 4, 4)
    assert (row["status"], row["error"], row["caution"]) == ("ok", None, "fewer than 256 clips")
    assert row["low"] < row["value"] < row["high"]
    assert row["floor"] > 0
    summary = set_summary(run)
    assert {name: summary[name] for name in ("n_planned", "n_scored", "n_failed", "coverage", "n_units")} == {
        "n_planned": 8,
        "n_scored": 8,
        "n_failed": 0,
        "coverage": 1.0,
        "n_units": 4,
    }
    assert [summary[name] for name in ("mean", "low", "high")] == [row[name] for name in ("value", "low", "high")]
    assert summary["method"] == row["method"] == "bootstrap over 4 prompts, of both sides together, 200 draws"
    assert "toy_fvd: 8 clips against 8; real against real" in ended.err
    assert "caution: fewer than 256 clips" in ended.err


def test_tables_hold_the_set_beside_the_samples(stepbench, workplace, reference):
    import pandas as pd

    assert stepbench(*SCORED, "r").code == 0
    run = open_run(workplace / "runs/r")
    assert set(run.scores()["metric"]) == {"flicker"}
    (row,) = run.set_scores().to_dict("records")
    assert (row["metric"], row["n"], row["status"]) == ("toy_fvd", 8, "ok")
    assert list(run.summary()["metric"]) == ["flicker", "toy_fvd"]
    assert run.summary().set_index("metric").loc["toy_fvd", "mean"] == row["value"]
    table = pd.read_parquet(run.folder / "scores.parquet")
    of_set = table.loc[table["set_key"].notna()]
    assert list(of_set["value"]) == [row["value"]]
    assert of_set[["sample_key", "prompt_id", "seed"]].isna().all(axis=None)
    assert len(table) == 9
    assert stepbench("validate", run.folder).code == 0
    shown = stepbench("show", run.folder, "--json").records()
    assert shown[0]["metrics"][1]["mean"] == row["value"]


def test_features_are_made_once(stepbench, workplace, reference, seen):
    assert stepbench(*SCORED, "r").code == 0
    assert seen == [1] * 16
    before = final_bytes(workplace / "runs/r")
    assert stepbench(*SCORED, "r").code == 0
    assert seen == [1] * 16
    assert final_bytes(workplace / "runs/r") == before
    assert [path.name for path in feature_files(workplace / "runs/r")] == ["features.safetensors"]


def test_features_of_a_reference_serve_every_run_that_is_scored_against_it(stepbench, workplace, reference, seen):
    assert stepbench(*SCORED, "r").code == 0
    assert stepbench(*RUN, "--seeds", "2", "-m", "toy_fvd", "--reference", "runs/ref", "--run-id", "s").code == 0
    assert len(seen) == 16 + 4
    rows = [set_rows(workplace / f"runs/{name}")[-1] for name in ("r", "s")]
    assert rows[0]["metric_id"] == rows[1]["metric_id"]
    assert rows[0]["floor"] == rows[1]["floor"], "real against real is a matter of the reference alone"


def test_a_reference_that_cannot_be_written_is_none_the_worse(stepbench, workplace, reference, seen):
    (reference / "features").write_text("in the way")
    assert stepbench(*SCORED, "r").code == 0
    assert stepbench(*SCORED, "s").code == 0
    assert len(seen) == 32
    assert set_rows(workplace / "runs/r") == set_rows(workplace / "runs/s")


def test_many_numbers_have_fewer_draws(stepbench, workplace, reference, monkeypatch):
    monkeypatch.setattr("stepbench.runs.score_sets.MANY_NUMBERS", 63)
    assert stepbench(*SCORED, "r").code == 0
    assert set_rows(workplace / "runs/r")[0]["method"].endswith(", 60 draws")


def test_a_torn_feature_file_is_made_again(stepbench, workplace, reference, seen):
    assert stepbench(*SCORED, "r").code == 0
    run = workplace / "runs/r"
    before = final_bytes(run)
    (file,) = feature_files(run)
    file.write_bytes(file.read_bytes()[:-3])
    (reference / "features").rename(workplace / "away")
    assert stepbench("score", run, "-m", "toy_fvd", "--reference", "runs/ref").code == 0
    assert len(seen) == 32
    assert final_bytes(run) == before


def test_a_value_stands_without_its_features(stepbench, workplace, reference):
    assert stepbench(*SCORED, "r").code == 0
    run = workplace / "runs/r"
    before = set_rows(run)
    for file in feature_files(run):
        file.unlink()
    assert stepbench("score", run, "-m", "flicker").code == 0
    assert set_rows(run) == before


def test_recompute_makes_the_features_anew(stepbench, workplace, reference, seen):
    assert stepbench(*SCORED, "r").code == 0
    before = final_bytes(workplace / "runs/r")
    again = ("score", "runs/r", "-m", "toy_fvd", "--reference", "runs/ref")
    assert stepbench(*again, "--recompute").code == 0
    assert len(seen) == 16 + 8
    assert final_bytes(workplace / "runs/r") == before


def test_another_reference_is_another_metric(stepbench, workplace, reference):
    assert stepbench(*SCORED, "r").code == 0
    assert stepbench(*RUN, "--seeds", "9..10", "--no-score", "--run-id", "ref2").code == 0
    assert stepbench("score", "runs/r", "-m", "toy_fvd", "--reference", "runs/ref2").code == 0
    scores = open_run("runs/r").set_scores()
    assert scores["metric_id"].nunique() == 2
    assert scores["value"].nunique() == 2


def test_a_clip_that_the_backbone_refuses_is_named_and_the_rest_is_said_to_be_the_rest(
    stepbench, workplace, reference, monkeypatch
):
    import toy_plugin

    features = toy_plugin.MeanColours.features
    assert stepbench(*SCORED, "whole").code == 0

    def choosy(self, clips):
        if clips[0, 0, 0, 0, 0] < 128:
            raise ValueError("too dark")
        return features(self, clips)

    monkeypatch.setattr(toy_plugin.MeanColours, "features", choosy)
    dark = int((clips_of(workplace / "runs/whole")[:, 0, 0, 0, 0] < 128).sum())
    assert 0 < dark < 6
    ended = stepbench(*SCORED, "r")
    run = workplace / "runs/r"
    assert ended.code == 3
    assert "toy_fvd: ValueError: too dark" in ended.err
    *failed, row = set_rows(run)
    assert [one["error"] for one in failed] == ["ValueError: too dark"] * dark
    # The reference's features were made before the backbone grew choosy.
    assert (row["status"], row["n"], row["n_reference"]) == ("ok", 8 - dark, 8)
    summary = set_summary(run)
    assert (summary["n_scored"], summary["n_failed"], summary["coverage"]) == (8 - dark, dark, 1 - dark / 8)
    assert open_run(run).info["status"] == "incomplete"
    assert stepbench("validate", run).code == 0

    monkeypatch.setattr(toy_plugin.MeanColours, "features", features)
    assert stepbench(*SCORED, "r").code == 0
    assert final_bytes(run) == final_bytes(workplace / "runs/whole")


def test_a_clip_that_was_not_made_is_not_in_the_set(stepbench, make_suite, workplace, reference, monkeypatch):
    make_suite("one", "two", "fail", "refuse")
    run = ("run", "-M", "python:toy_generators:obedient", "-t", "mini", "--seeds", "0..1", "-m", "toy_fvd")
    ended = stepbench(*run, "--reference", "runs/ref", "--run-id", "r")
    assert ended.code == 3
    (row,) = set_rows(workplace / "runs/r")
    summary = set_summary(workplace / "runs/r")
    assert (row["n"], row["n_units"]) == (4, 2)
    assert [summary[name] for name in ("n_scored", "n_failed", "n_refused", "coverage")] == [4, 2, 2, 0.5]
    monkeypatch.setenv("TOY_MENDED", "1")
    stepbench(*run, "--reference", "runs/ref", "--run-id", "r")
    (mended,) = set_rows(workplace / "runs/r")
    assert mended["n"] == 6
    assert mended["set_key"] != row["set_key"]


def test_a_reference_clip_without_features_leaves_no_value(stepbench, workplace, reference):
    (master,) = (reference / "clips").glob("p2-s7.mkv")
    master.rename(workplace / "away")
    ended = stepbench(*SCORED, "r")
    assert ended.code == 3
    (row,) = set_rows(workplace / "runs/r")
    assert row["status"] == "failed"
    assert "1 of 8 reference clips have no features, the first is p2 seed 7:" in row["error"]
    assert "toy_fvd: 1 of 8 reference clips" in ended.err
    assert set_summary(workplace / "runs/r")["mean"] is None
    assert stepbench("score", "runs/r", "-m", "flicker").code == 3
    assert set_rows(workplace / "runs/r") == [row]
    (workplace / "away").rename(master)
    assert stepbench(*SCORED, "r").code == 0
    assert set_rows(workplace / "runs/r")[0]["n_reference"] == 8


def test_one_clip_is_no_set(stepbench, workplace, reference):
    ended = stepbench(*RUN, "-L", "1", "-m", "toy_fvd", "--reference", "runs/ref", "--run-id", "r")
    assert ended.code == 3
    assert "toy_fvd: toy_fvd compares at least 2 clips with at least 2, got 1 and 8" in ended.err
    assert "toy_fvd: no value" in ended.err


def test_one_prompt_has_a_value_and_no_interval(stepbench, workplace, reference):
    run = (*RUN, "--seeds", "0..3", "-L", "1", "-m", "toy_fvd", "--reference", "runs/ref", "--run-id", "r")
    assert stepbench(*run).code == 0
    (row,) = set_rows(workplace / "runs/r")
    assert (row["low"], row["high"], row["n_units"]) == (None, None, 1)
    assert set_summary(workplace / "runs/r")["method"] == "no interval: one cluster"


def test_a_reference_of_other_prompts_stays_as_it_is(stepbench, make_suite, workplace, reference):
    make_suite("five", "six", "seven", "eight", "nine", name="other")
    assert stepbench("run", "-M", "python:toy_generators:noise", "-t", "other", *SCORED[5:], "r").code == 0
    (row,) = set_rows(workplace / "runs/r")
    assert (row["n"], row["n_reference"]) == (10, 8)
    assert row["method"] == "bootstrap over 5 prompts, the reference as it is, 200 draws"


def test_a_small_reference_has_no_floor_and_the_row_says_so(stepbench, workplace, reference):
    assert stepbench(*RUN, "--seeds", "7", "-L", "3", "--no-score", "--run-id", "small").code == 0
    run = (*RUN, "--seeds", "0..1", "-m", "toy_fvd", "--reference", "runs/small", "--run-id", "r")
    assert stepbench(*run).code == 0
    (row,) = set_rows(workplace / "runs/r")
    assert (row["floor"], row["floor_n"]) == (None, 0)
    assert "real against real needs at least 4 reference clips, got 3" in row["caution"]


def test_translations_of_one_prompt_are_one_unit(stepbench, make_suite, workplace, reference):
    suite = make_suite(*TEXTS)
    rows = [json.loads(line) for line in (suite / "prompts.jsonl").read_text().splitlines()]
    pairs = [row | {"pair_id": f"pair-{index // 2}"} for index, row in enumerate(rows)]
    (suite / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    assert stepbench(*SCORED, "r").code == 0
    (row,) = set_rows(workplace / "runs/r")
    assert (row["n"], row["n_units"]) == (8, 2)


def test_reconstructions_are_paired_with_their_originals(stepbench, workplace, reference, monkeypatch):
    monkeypatch.setitem(BACKBONES, "toy", "toy_plugin:load")
    assert stepbench(*RUN, "--seeds", "0", "-L", "3", "--no-score", "--run-id", "originals").code == 0
    ended = stepbench(*RUN, "--seeds", "0", "-m", "rfvd_toy", "--reference", "runs/originals", "--run-id", "r")
    assert ended.code == 3
    assert "p4 seed 0: rfvd_toy: the reference has no clip of p4 seed 0" in ended.err
    *_, row = set_rows(workplace / "runs/r")
    assert (row["n"], row["n_reference"]) == (3, 3)
    # Equal clips in equal pairs: no draw of pairs differs.
    assert row["value"] == pytest.approx(0, abs=1e-6)
    assert row["high"] == pytest.approx(0, abs=1e-6)


def test_masters_are_dropped_after_their_features_are_made(stepbench, workplace, reference, seen):
    run = (*RUN, "--seeds", "0..1", "--keep", "previews", "--run-id", "r", "-m")
    assert stepbench(*run, "toy_fvd", "--reference", "runs/ref").code == 0
    assert list((workplace / "runs/r/clips").glob("*.mkv")) == []
    before = set_rows(workplace / "runs/r")
    for file in feature_files(workplace / "runs/r"):
        file.unlink()
    ended = stepbench("score", "runs/r", "-m", "toy_fvd", "--reference", "runs/ref", "--recompute")
    assert ended.code == 3
    *rows, last = set_rows(workplace / "runs/r")
    assert {row["status"] for row in rows} == {"unavailable"}
    assert "master was dropped" in rows[0]["error"]
    assert last["error"] == "no clip could be taken into the set"
    assert before[0]["n"] == 8


def test_a_reference_is_asked_for(stepbench, workplace, reference):
    ended = stepbench(*RUN, "-m", "toy_fvd", "--run-id", "r")
    assert ended.code == 2
    assert "metric 'toy_fvd' needs a reference set" in ended.err
    assert "add --reference RUN" in ended.err


def test_metrics_that_no_run_can_be_scored_with_are_refused(stepbench, workplace, reference, monkeypatch):
    import toy_plugin

    monkeypatch.setattr(toy_plugin.MeanColours, "name", "../toy")
    ended = stepbench(*SCORED, "r")
    assert ended.code == 2
    assert "its features are called '../toy:0123456789ab:all-native', which cannot be a folder's name" in ended.err


def test_absent_weights_are_a_usage_error(stepbench, workplace, reference, monkeypatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(workplace / "nothing"))
    ended = stepbench(*RUN, "-m", "fvd", "--reference", "runs/ref", "--run-id", "r")
    assert ended.code == 2
    assert "stepbench weights pull" in ended.err
    assert not (workplace / "runs/r").exists()


def test_every_number_of_workers_gives_the_same_bytes(stepbench, workplace, reference):
    for workers in (1, 2):
        assert stepbench(*SCORED, f"w{workers}", "--workers", workers).code == 0
        (reference / "features").rename(workplace / f"away-{workers}")
    assert final_bytes(workplace / "runs/w1") == final_bytes(workplace / "runs/w2")


def test_shards_give_the_same_bytes(stepbench, workplace, reference, seen):
    assert stepbench(*SCORED, "whole").code == 0
    (reference / "features").rename(workplace / "away")
    seen.clear()
    for index in range(3):
        assert stepbench(*SCORED, "r", "--shard", f"{index}/3").code == 0
    assert len(seen) == 16, "every clip is seen by one shard"
    assert final_bytes(workplace / "runs/r") == final_bytes(workplace / "runs/whole")
    assert stepbench("validate", "runs/r").code == 0


def test_shards_in_folders_of_their_own_merge_to_the_same_bytes(stepbench, workplace, reference):
    assert stepbench(*SCORED, "whole").code == 0
    folders = []
    for index in range(3):
        assert stepbench(*SCORED, "part", "-o", f"machine-{index}", "--shard", f"{index}/3").code == 0
        folders.append(workplace / f"machine-{index}" / "part")
    assert stepbench("merge", *folders, "-o", "runs/merged").code == 0
    assert final_bytes(workplace / "runs/merged") == final_bytes(workplace / "runs/whole")


def test_a_board_takes_the_run_in(stepbench, workplace, reference):
    import pandas as pd

    assert stepbench(*SCORED, "r").code == 0
    assert stepbench("leaderboard", "build", "--runs", "runs", "-o", "board").code == 0
    (summary,) = (workplace / "board").rglob("summary.parquet")
    rows = pd.read_parquet(summary)
    of_set = rows.loc[rows["metric_id"].str.startswith("toy_fvd")]
    assert list(of_set["cut"]) == ["all"]
    assert of_set["mean"].iloc[0] == set_rows(workplace / "runs/r")[0]["value"]
    assert np.isnan(of_set["rank_low"].iloc[0])


def test_the_shapes_backbone_from_prompts_to_a_value(stepbench, workplace):
    run = ("run", "-t", "moving-shapes", "-L", "5", "--seeds", "0")
    assert stepbench(*run, "-M", "world:exact", "--no-score", "--run-id", "ref").code == 0
    scored = ("-m", "fvd_shapes,kvd_shapes", "--reference", "runs/ref", "--run-id")
    same = stepbench(*run, "-M", "world:exact", *scored, "same")
    other = stepbench(*run, "-M", "world:blur4", *scored, "other")
    assert (same.code, other.code) == (0, 0)
    values = {name: open_run(f"runs/{name}").set_scores().set_index("metric")["value"] for name in ("same", "other")}
    assert values["same"]["fvd_shapes"] == pytest.approx(0, abs=1e-6)
    assert values["other"]["fvd_shapes"] > 10
    assert values["same"]["kvd_shapes"] < values["other"]["kvd_shapes"]
    (features,) = (workplace / "runs/same/features").glob("shapes:*:16f-32-antialias")
    assert [path.name for path in features.iterdir()] == ["features.safetensors"]
    assert "5 clips in 320 dimensions" in other.err


def test_too_many_numbers_are_resampled_in_their_leading_dimensions(stepbench, workplace, reference, monkeypatch):
    assert stepbench(*SCORED, "whole").code == 0
    monkeypatch.setattr("stepbench.runs.score_sets.MANY_NUMBERS", 63)
    monkeypatch.setattr("metrics.set_distance.MANY_DIMENSIONS", 1)
    assert stepbench(*SCORED, "less").code == 0
    whole, less = (set_rows(workplace / "runs" / name)[0] for name in ("whole", "less"))
    assert "leading dimensions, " in less["method"]
    assert "leading dimensions" not in whole["method"]
    assert (less["value"], less["floor"]) == (whole["value"], whole["floor"])
    near = 0.3 * (whole["high"] - whole["low"])
    assert (less["low"], less["high"]) == pytest.approx((whole["low"], whole["high"]), abs=near)
