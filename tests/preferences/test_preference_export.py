from __future__ import annotations

import hashlib
import json

import pytest
from pyarrow import parquet
from votes_for_tests import random_votes, table, vote

from reference_model.training.preferences import read_preferences
from stepbench.canonical import sha256_file
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.dpo.clip_files import ClipFinder
from stepbench.preferences.dpo.export_preferences import PreferenceSource, export_preferences
from stepbench.preferences.dpo.leaks import EvaluationTexts, LeakError, evaluation_texts
from stepbench.preferences.dpo.preference_rows import read_preference_votes
from stepbench.preferences.dpo.rules import PairRules
from stepbench.preferences.dpo.splits import SPLITS, SplitShares

NOTHING = EvaluationTexts(suites={}, prompts={}, groups={})


@pytest.fixture
def export(tmp_path):
    """`export(rows, ...)` writes preferences, with a file for every clip that the votes name."""

    def call(rows, out="prefs", *, rules=None, shares=None, evaluation=NOTHING, **options):
        votes = rows if hasattr(rows, "columns") else table(rows)
        for name in {*votes["clip_a"], *votes["clip_b"]}:
            file = tmp_path / "study" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(name.encode())
        source = PreferenceSource(votes=votes, facts={"study_id": "mine"}, clips=ClipFinder(tmp_path / "study"))
        return export_preferences(
            source,
            tmp_path / out,
            rules=rules or PairRules(),
            shares=shares or SplitShares(),
            evaluation=evaluation,
            **options,
        )

    return call


def many(count: int = 30, **more) -> list[dict]:
    return [vote(f"p{n}", "ab"[n % 2], **more) for n in range(count)]


def test_the_files_are_what_training_reads(export):
    found = export([*many(), vote("p0", "b", annotator="y"), vote("p0", "a", annotator="z")])
    rows = [json.loads(line) for path in found.files.values() for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == 30
    for split, path in found.files.items():
        pairs = read_preferences(path, decode=lambda path: pytest.fail(f"{path} was opened"))
        assert [pair.prompt for pair in pairs] == [row["prompt"] for row in rows if row["split"] == split]
        assert parquet.read_table(path.with_suffix(".parquet")).to_pylist() == [r for r in rows if r["split"] == split]
    first = next(row for row in rows if row["prompt_id"] == "p0")
    assert first["share"] == pytest.approx(2 / 3)
    assert [one["outcome"] for one in first["votes"]] == ["chosen", "rejected", "chosen"]
    assert first["chosen_model"] == "m1"


def test_the_manifest_has_hashes_of_clips_votes_and_files_and_counts_per_rule(export, tmp_path):
    found = export([*many(), vote("q1", "tie"), vote("q2", "both_bad")])
    content = json.loads(found.manifest.read_text("utf-8"))
    assert content["pairs"] == {"voted_on": 32, "kept": 30, "dropped": {"tie": 1, "both bad": 1}}
    assert sum(counts["pairs"] for counts in content["splits"].values()) == 30
    for name, sha256 in content["files"].items():
        assert sha256_file(found.manifest.parent / name) == sha256
    for name, facts in content["clips"].items():
        assert hashlib.sha256((found.manifest.parent / name).read_bytes()).hexdigest() == facts["sha256"]
        assert facts["kind"] == "study"
    assert content["study"] == {"study_id": "mine"}
    assert content["simulated"] is False
    again = export([*many(), vote("q1", "tie"), vote("q2", "both_bad")], out="again")
    assert again.content["votes"] == content["votes"]
    other = export([*many(29), vote("p29", "a")], out="other")
    assert other.content["votes"]["sha256"] != content["votes"]["sha256"]


def test_simulated_votes_stay_labelled(export):
    found = export([*many(20), *many(20, annotator="sim-1", simulated=True)])
    assert found.content["votes"]["simulated"] == 20
    assert found.content["simulated"] is True
    rows = [json.loads(line) for line in found.files["train"].read_text("utf-8").splitlines()]
    assert {row["simulated_votes"] for row in rows} == {1}
    assert {vote["simulated"] for row in rows for vote in row["votes"]} == {True, False}
    assert any(line.startswith("SIMULATED: 20 of 40 votes") for line in found.lines())
    people = export([*many(20), *many(20, annotator="sim-1", simulated=True)], "p", rules=PairRules(people_only=True))
    assert people.content["votes"]["simulated"] == 0


def test_a_leaked_evaluation_prompt_stops_before_anything_is_written(export, tmp_path):
    suite = evaluation_texts(["moving-shapes"])
    text, (name, prompt_id) = next((text, place) for text, place in suite.prompts.items() if text.isascii())
    rows = [*many(), vote("mine-7", "tie", text=text.upper())]
    with pytest.raises(LeakError, match=f"mine-7 .* is prompt {prompt_id} of suite {name}"):
        export(rows, evaluation=suite)
    assert not (tmp_path / "prefs").exists()


def test_every_text_is_checked_for_leaks_where_one_id_stands_with_several(export, tmp_path):
    suite = evaluation_texts(["moving-shapes"])
    leaked = next(text for text in suite.prompts if text.isascii())
    rows = [*many(), {**vote("p0", "a", text=leaked), "pair_id": "p0-again", "vote_id": "another"}]
    with pytest.raises(LeakError, match="1 prompts of the study are evaluation prompts: p0 "):
        export(rows, evaluation=suite)
    assert not (tmp_path / "prefs").exists()


def test_translations_stay_on_one_side_and_files_do_not_mix(export):
    rows = [vote(f"p{n}", "a", pair_group=f"g{n // 2}", text=f"text {n}") for n in range(60)]
    found = export(rows, shares=SplitShares(val=0.2, test=0.2))
    sides: dict[str, set[str]] = {}
    for split, path in found.files.items():
        for line in path.read_text("utf-8").splitlines():
            sides.setdefault(json.loads(line)["pair_group"], set()).add(split)
    assert len(sides) == 30
    assert all(len(one) == 1 for one in sides.values())
    assert set(found.files) == set(SPLITS)
    again = export(rows, shares=SplitShares(val=0, test=0))
    assert set(again.files) == {"train"}
    assert sorted(path.name for path in again.manifest.parent.iterdir()) == [
        "manifest.json",
        "train.jsonl",
        "train.parquet",
    ]


def test_a_name_that_ends_in_jsonl_is_the_training_split(export, tmp_path):
    export(many(), out="out/pairs.jsonl")
    splits = {f"pairs{split}.{end}" for split in ("", ".val", ".test") for end in ("jsonl", "parquet")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == splits | {"pairs.manifest.json"}


def test_clips_can_travel_along_and_a_dataset_card_names_the_splits(export, tmp_path):
    found = export(many(), copy=True, dataset_card=True)
    for line in found.files["train"].read_text("utf-8").splitlines():
        row = json.loads(line)
        assert row["chosen"].startswith("clips/")
        assert (found.manifest.parent / row["chosen"]).is_file()
    card = (found.manifest.parent / "README.md").read_text("utf-8")
    assert "split: validation\n    path: val.parquet" in card
    assert "30 votes, of which 0 are by programs" in card


@pytest.mark.parametrize("seed", range(4))
def test_exported_preferences_come_back_with_the_votes_behind_them(export, seed):
    votes = random_votes(seed, prompts=12)
    try:
        found = export(votes)
    except NothingSelectedError:
        return
    back = read_preference_votes([found.manifest.parent])
    assert len(back) == found.content["votes"]["used"]
    known = {row["vote_id"]: row for row in votes.to_dict("records") if row["dimension"] == "overall"}
    for row in back.to_dict("records"):
        before = known[row["vote_id"]]
        names = [{"a": one["model_a"], "b": one["model_b"]}.get(one["winner"], one["winner"]) for one in (row, before)]
        assert names[0] == names[1]
        assert (row["annotator"], row["simulated"]) == (before["annotator"], before["simulated"])


def test_masters_are_taken_where_the_run_is_at_hand(tmp_path):
    run = tmp_path / "runs" / "run-m1"
    (run / "clips").mkdir(parents=True)
    (run / "clips" / "one.mkv").write_bytes(b"lossless")
    sha256 = hashlib.sha256(b"lossless").hexdigest()
    (run / "run.json").write_text("{}", encoding="utf-8")
    sample = {"sample_key": "k1", "outcome": "ok", "attempt": 1, "clip": "clips/one.mkv", "clip_sha256": sha256}
    (run / "samples.jsonl").write_text(json.dumps(sample) + "\n", encoding="utf-8")
    study = tmp_path / "study"
    (study / "clips").mkdir(parents=True)
    clip = {"clip": "clips/x.mp4", "sha256": sha256, "run": "run-m1", "sample_key": "k1"}
    for runs in ([tmp_path / "runs"], [run]):
        found = ClipFinder(study, runs).find(clip)
        assert (found.kind, found.path.name, found.sha256) == ("master", "one.mkv", sha256)
    with pytest.raises(UsageError, match=r"no clip clips/x.mp4 in .* and no run 'run-m1'"):
        ClipFinder(study).find(clip)
    (study / "clips" / "x.mp4").write_bytes(b"small")
    assert ClipFinder(study).find(clip).kind == "study"
    (run / "clips" / "one.mkv").write_bytes(b"changed")
    with pytest.raises(UsageError, match=r"one\.mkv is not the clip that was voted on"):
        ClipFinder(study, [run]).find(clip)
    named = clip | {"clip": f"clips/{'0' * 32}.mp4", "run": "gone"}
    (study / named["clip"]).write_bytes(b"small")
    with pytest.raises(UsageError, match="is not the clip that was voted on"):
        ClipFinder(study).find(named)


def test_refuses_to_overwrite_and_says_what_dropped_all_pairs(export, tmp_path):
    with pytest.raises(NothingSelectedError, match="no pair is left: 2 by 'tie', 1 by 'fewer than 2 votes'"):
        export(
            [
                *(vote("p1", "tie", annotator=who) for who in "xy"),
                *(vote("p2", side, annotator=who) for side, who in ("ax", "by")),
                vote("p3", "a"),
            ],
            rules=PairRules(min_votes=2),
        )
    (tmp_path / "prefs").mkdir()
    (tmp_path / "prefs" / "train.jsonl").write_text("mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"train\.jsonl is there and no export made it"):
        export(many())


def test_files_that_no_export_made_have_no_votes(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text('{"prompt": "p", "chosen": "a", "rejected": "b", "share": 1}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="row 1 has no pair_id"):
        read_preference_votes([file])
    file.write_text("no json\n", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read"):
        read_preference_votes([file])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no JSONL and no Parquet files"):
        read_preference_votes([tmp_path / "empty"])
