"""The run folder read back: tables, gaps, folders of other versions, journals of shards."""

from __future__ import annotations

import json

import pytest

from stepbench import Run, open_run
from stepbench.errors import RunFolderError
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal

NOISE = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "flicker", "--run-id", "r"]


@pytest.fixture
def run(stepbench, make_suite):
    make_suite("one", "two")
    assert stepbench(*NOISE).code == 0
    return open_run("runs/r")


def test_tables_have_their_columns(run):
    assert isinstance(run, Run)
    assert run.samples().columns.tolist() == [
        *("sample_key", "prompt_id", "seed", "text", "language", "category", "pair_id", "tags", "outcome"),
        *("clip", "clip_sha256", "preview", "frames", "fps", "height", "width", "bytes", "attempt", "error"),
        *("seconds_total", "peak_memory_bytes"),
    ]
    assert run.scores().columns.tolist() == [
        *("sample_key", "prompt_id", "seed", "language", "category", "pair_id", "metric_id", "metric"),
        *("value", "n", "status", "error", "note"),
    ]
    assert set(run.summary().columns) >= {
        *("metric", "metric_id", "direction", "unit", "n_planned", "n_scored", "n_failed", "n_refused"),
        *("coverage", "mean", "low", "high", "method"),
    }


def test_a_run_tells_who_made_it_from_what(run):
    assert (run.name, run.generator_name) == ("r", "python:toy_generators:noise")
    assert run.suite_hash == run.info["suite"]["hash"]
    assert run.info["settings"] == {"fps": 8, "sleep": 0.0}
    assert run.info["generator"]["revision"]
    assert run.info["metric_cards"]["flicker@1:native"]["direction"] == "lower"
    assert (run.folder / run.samples()["clip"].iloc[0]).is_file()


def test_the_score_table_is_there_as_parquet(run):
    import pandas as pd

    table = pd.read_parquet(run.folder / "scores.parquet")
    assert table["value"].tolist() == run.scores()["value"].tolist()
    assert table["sample_key"].tolist() == run.samples()["sample_key"].tolist()


def test_what_was_not_tried_yet_is_missing_and_not_left_out(stepbench, make_suite):
    make_suite("one", "two", "three")
    assert stepbench(*NOISE, "--shard", "1/3").code == 0
    run = open_run("runs/r")
    assert run.samples()["outcome"].isna().tolist() == [True, False, True]
    assert run.clip("p1", 0) is None
    assert run.clip("p2", 0).is_file()
    assert len(run.scores()) == 1
    with pytest.raises(RunFolderError, match=r"has no summary.json: the run is partial"):
        run.summary()


def test_a_run_without_scores_has_empty_tables(stepbench, make_suite):
    make_suite("one")
    assert stepbench(*NOISE[:5], "--no-score", "--run-id", "r").code == 0
    run = open_run("runs/r")
    assert len(run.scores()) == 0
    empty = run.summary()
    assert len(empty) == 0
    assert stepbench("score", "runs/r", "-m", "flicker").code == 0
    assert empty.columns.tolist() == open_run("runs/r").summary().columns.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is no run folder: run.json is missing"),
        ("{", "run.json: not JSON"),
        ("[]", "schema None, this version reads 1"),
        ('{"schema": 2}', "schema 2, this version reads 1"),
    ],
)
def test_folders_that_are_no_run_of_this_version_are_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError, match=message):
        open_run(tmp_path)


def test_the_last_attempt_counts_and_of_two_equal_ones_the_good_one(tmp_path):
    folder = RunFolder(tmp_path)
    rows = {
        "samples.jsonl": [("a", 1, "failed"), ("b", 1, "ok"), ("c", 2, "ok"), ("a", 2, "ok")],
        "samples-0-of-2.jsonl": [("b", 1, "failed"), ("c", 1, "ok"), ("d", 1, "ok")],
        "samples-1-of-2.jsonl": [("d", 1, "failed"), ("e", 1, "refused")],
    }
    for name, entries in rows.items():
        with Journal(tmp_path / name) as journal:
            journal.append({"sample_key": key, "attempt": n, "outcome": outcome} for key, n, outcome in entries)
    found = {key: (row["attempt"], row["outcome"]) for key, row in folder.read_samples().items()}
    assert found == {"a": (2, "ok"), "b": (1, "ok"), "c": (2, "ok"), "d": (1, "ok"), "e": (1, "refused")}


def test_a_failure_undoes_no_score_of_the_same_clip(tmp_path):
    folder = RunFolder(tmp_path)
    folder.scores.mkdir()
    entries = [
        ("a", "clip", "ok", 1.0),
        ("a", "clip", "failed", None),
        ("b", "clip", "failed", None),
        ("b", "clip", "ok", 2.0),
        ("c", "clip", "ok", 3.0),
        ("c", "other clip", "failed", None),
        ("d", "clip", "ok", 4.0),
        ("d", "clip", "ok", 5.0),
    ]
    with Journal(folder.score_journal("m@1:[x]*")) as journal:
        journal.append(
            {"sample_key": key, "clip_sha256": clip, "status": status, "value": value, "n": 1, "error": None}
            for key, clip, status, value in entries
        )
    assert {key: row["value"] for key, row in folder.read_scores("m@1:[x]*").items()} == {
        "a": 1,
        "b": 2,
        "c": None,
        "d": 5,
    }


def test_temporary_files_of_a_killed_process_are_no_part_of_a_run(run, stepbench):
    (run.folder / "clips" / ".tmp-all-x").mkdir()
    (run.folder / "clips" / ".tmp-all-x" / "p1-s0.mkv").touch()
    for name in (".run.json.77.tmp", "scores/.flicker@1:native.jsonl.77.tmp", "clips/.p1-s0.mkv.tmp"):
        (run.folder / name).touch()
    assert stepbench(*NOISE).code == 0
    assert not [path for path in run.folder.rglob("*") if "tmp" in path.name]
    info = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert info["status"] == "complete"


DAMAGE = {
    "plan.jsonl": ("is not the plan of run.json: 1 samples", lambda text: text.partition("\n")[2]),
    "prompts.jsonl": ("lacks prompt 'p1', which is planned", lambda text: text.partition("\n")[2]),
    "samples.jsonl": (r"samples.jsonl:1: a row with .*outcome.* was expected", lambda text: '{"a": 1}\n' + text),
    "scores/flicker@1:native.jsonl": (
        r"native.jsonl:1: a row with .*status.* was expected",
        lambda text: "{}\n" + text,
    ),
    "run.json": ("suite missing or of another kind", lambda text: text.replace('"suite"', '"sweet"')),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named_by_readers_and_by_the_same_command(stepbench, run, name):
    message, spoil = DAMAGE[name]
    whole = (run.folder / name).read_text(encoding="utf-8")
    (run.folder / name).write_text(spoil(whole), encoding="utf-8")
    with pytest.raises(RunFolderError, match=message):
        open_run(run.folder).scores()
    ended = stepbench(*NOISE)
    assert (ended.code, "unexpected crash" in ended.err, name.partition("/")[0] in ended.err) == (2, False, True)
    (run.folder / name).write_text(whole, encoding="utf-8")
    assert stepbench(*NOISE).code == 0


def test_a_prompt_whose_words_were_changed_is_refused(stepbench, run):
    prompts = run.folder / "prompts.jsonl"
    prompts.write_text(prompts.read_text(encoding="utf-8").replace("one", "another"), encoding="utf-8")
    ended = stepbench(*NOISE)
    assert (ended.code, "holds other prompts than were planned" in ended.err) == (2, True)
    prompts.write_text('{"id": "p1"}\n', encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"a line is no prompt: .*text"):
        _ = open_run(run.folder).prompts


def test_a_plan_of_other_samples_is_not_taken_for_the_plan(run):
    folder = RunFolder(run.folder)
    rows = folder.read_plan(run.info)
    assert [row["seed"] for row in rows] == [0, 0]
    folder.plan.write_text("".join(json.dumps(row | {"seed": 1}) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"2 samples that do not give plan hash"):
        folder.read_plan(run.info)
