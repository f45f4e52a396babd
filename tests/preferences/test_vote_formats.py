from __future__ import annotations

import csv
import json
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from votes_for_tests import random_votes, rating, table, vote

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.formats import arena, argilla, label_studio, videoalign
from stepbench.preferences.formats.exchange import FORMATS, read_votes
from stepbench.preferences.formats.planned_pairs import pairs_of_votes
from stepbench.preferences.formats.votes_table import (
    SCHEMA,
    read_csv,
    read_parquet,
    votes_frame,
    write_csv,
    write_parquet,
)
from stepbench.preferences.ratings.counting import count_votes
from stepbench.preferences.tables import VOTE_COLUMNS

ROUND_TRIPS = settings(max_examples=5, deadline=None)
SEEDS = st.integers(0, 10_000)


def in_order(votes: pd.DataFrame) -> pd.DataFrame:
    keys = ["vote_id", "dimension", "rated_clip"]
    return votes.sort_values(keys, key=lambda column: column.astype(str)).reset_index(drop=True)


def verdicts(votes: pd.DataFrame) -> Counter:
    """Who preferred which clip of which pair, whatever the sides."""
    return Counter(
        (row["pair_id"], row["dimension"], {"a": row["clip_a"], "b": row["clip_b"]}.get(row["winner"], row["winner"]))
        for row in votes.to_dict("records")
        if row["winner"]
    )


def test_the_columns_are_those_of_a_study():
    assert tuple(SCHEMA.names) == VOTE_COLUMNS


@ROUND_TRIPS
@given(SEEDS)
def test_csv_and_parquet_hold_every_row_as_it_was(tmp_path_factory, seed):
    votes, folder = random_votes(seed), tmp_path_factory.mktemp("votes")
    for write, read, name in ((write_csv, read_csv, "v.csv"), (write_parquet, read_parquet, "v.parquet")):
        assert write(votes, folder / name) == len(votes)
        assert_frame_equal(read(folder / name), votes)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@settings(max_examples=30, deadline=None)
@given(texts, st.none() | texts, st.lists(texts, max_size=3), st.none() | st.integers(0, 2**60))
def test_csv_keeps_any_text_and_tells_empty_from_absent(tmp_path_factory, text, category, reasons, seed):
    file = tmp_path_factory.mktemp("votes") / "v.csv"
    votes = table([vote("p1", "a", text=text, category=category, reasons=reasons, seed_a=seed)])
    write_csv(votes, file)
    assert_frame_equal(read_csv(file), votes)


@ROUND_TRIPS
@given(SEEDS, st.sampled_from(arena.SUFFIXES))
def test_arena_holds_every_vote_that_counts(tmp_path_factory, seed, suffix):
    votes, file = random_votes(seed), tmp_path_factory.mktemp("votes") / f"v{suffix}"
    counted = count_votes(votes).pairwise
    assert arena.write_arena(votes, file) == len(counted)
    assert_frame_equal(in_order(arena.read_arena(file)), in_order(counted), check_dtype=False)


def test_arena_has_the_columns_of_its_notebooks(tmp_path):
    votes = table([vote(f"p{n}", winner) for n, winner in enumerate(("a", "b", "tie", "both_bad"))])
    arena.write_arena(votes, tmp_path / "battles.csv")
    battles = pd.read_csv(tmp_path / "battles.csv")
    assert battles["winner"].tolist() == ["model_a", "model_b", "tie", "tie (bothbad)"]
    assert list(battles.columns[:2]) == ["model_a", "model_b"]
    assert battles["anony"].all()
    assert battles["tstamp"].iloc[0] == pd.Timestamp("2026-01-02T03:04:15.5Z").timestamp()


def test_an_arena_without_a_battle_is_said_and_not_written(tmp_path):
    with pytest.raises(NothingSelectedError, match="no pairwise vote counts"):
        arena.write_arena(table([rating("p1", 3, "a")]), tmp_path / "arena.csv")
    assert not (tmp_path / "arena.csv").exists()


def test_battles_of_another_arena_become_votes(tmp_path):
    (tmp_path / "b.csv").write_text(
        "model_a,model_b,winner,judge,question_id\nx,y,model_a,j1,q1\ny,x,tie (bothbad),j2,q1\n", encoding="utf-8"
    )
    votes = arena.read_arena(tmp_path / "b.csv")
    assert votes["winner"].tolist() == ["a", "both_bad"]
    assert votes["prompt_id"].tolist() == ["q1", "q1"]
    assert votes["annotator"].tolist() == ["j1", "j2"]
    assert votes["pair_id"].nunique() == 1
    for text, why in [("model_a,model_b\nx,y\n", "has no winner"), ("model_a,model_b,winner\nx,y,z\n", "winner 'z'")]:
        (tmp_path / "b.csv").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=why):
            arena.read_arena(tmp_path / "b.csv")
    with pytest.raises(UsageError, match=r"battles are written to .*not '.txt'"):
        arena.write_arena(table([vote("p", "a")]), tmp_path / "b.txt")


def dimension_votes(seed: int) -> pd.DataFrame:
    """All of VideoAlign's dimensions, judged by two people on six pairs."""
    import numpy as np

    rng, rows = np.random.default_rng(seed), []
    for number in range(6):
        for who in ("x", "y"):
            swapped = bool(rng.integers(2))
            for dimension in ("overall", "motion_smoothness", "aesthetic_appeal", "instruction_following"):
                winner = str(rng.choice(["a", "b", "tie", "both_bad"]))
                rows.append(vote(f"p{number}", winner, annotator=who, swapped=swapped, dimension=dimension))
    return table(rows)


def test_videoalign_columns_are_exact_and_labels_are_of_the_sides(tmp_path):
    rows = [
        vote("p1", winner, dimension=name)
        for name, winner in {
            "aesthetic_appeal": "a",
            "motion_smoothness": "b",
            "instruction_following": "both_bad",
        }.items()
    ]
    found = videoalign.write_videoalign(table(rows), tmp_path / "v.csv")
    assert found.rows == 1
    lines = (tmp_path / "v.csv").read_text("utf-8").splitlines()
    assert lines[0] == "path_A,path_B,prompt,VQ,MQ,TA,fps_A,num_frames_A,fps_B,num_frames_B"
    assert lines[1] == "clips/p1-m1.mp4,clips/p1-m2.mp4,a text for p1,A,B,same,8,17,8,17"


@ROUND_TRIPS
@given(SEEDS)
def test_videoalign_comes_back_with_the_same_counts(tmp_path_factory, seed):
    votes, file = dimension_votes(seed), tmp_path_factory.mktemp("votes") / "v.csv"
    assert videoalign.write_videoalign(votes, file).rows == 12
    asked = votes[votes["dimension"] != "overall"]
    back = videoalign.read_videoalign(file, pairs_of_votes(votes))
    assert verdicts(back) == verdicts(asked)
    told = ["vote_id", "dimension", "annotator", "simulated"]
    assert sorted(back[told].itertuples(index=False)) == sorted(asked[told].itertuples(index=False))
    file.with_suffix(".votes.jsonl").unlink()
    expected = asked.assign(winner=lambda v: v["winner"].replace("both_bad", "tie"))
    assert verdicts(videoalign.read_videoalign(file, pairs_of_votes(votes))) == verdicts(expected)
    alone = videoalign.read_videoalign(file)
    assert Counter(alone["winner"]) == Counter(expected["winner"])
    assert (alone.groupby("dimension")["annotator"].nunique() == 2).all()


def test_an_overall_verdict_stands_in_all_three_columns_and_comes_back_as_one(tmp_path):
    votes = table([vote("p1", "a"), vote("p2", "b"), vote("p1", "tie", annotator="y")])
    assert set(videoalign.write_videoalign(votes, tmp_path / "v.csv").dimensions.values()) == {"overall"}
    back = videoalign.read_videoalign(tmp_path / "v.csv", pairs_of_votes(votes))
    assert verdicts(back) == verdicts(votes)


def test_what_is_beside_a_videoalign_file_must_fit(tmp_path):
    file, beside = tmp_path / "v.csv", tmp_path / "v.votes.jsonl"
    videoalign.write_videoalign(table([vote("p1", "a", simulated=True), vote("p2", "b")]), file)
    assert videoalign.read_videoalign(file)["simulated"].tolist() == [True, False]
    text, whose = file.read_text("utf-8"), beside.read_text("utf-8")
    file.write_text(text.replace(",B,B,B,", ",A,A,A,"), encoding="utf-8")
    with pytest.raises(UsageError, match="row 2: VQ is 'A', and was 'B' by"):
        videoalign.read_videoalign(file)
    file.write_text(text.splitlines()[0] + "\n" + text.splitlines()[1] + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"has 1 rows, and .* is about 2"):
        videoalign.read_videoalign(file)
    file.write_text(text, encoding="utf-8")
    beside.write_text(whose.replace("annotator", "person"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"v\.votes\.jsonl cannot be read"):
        videoalign.read_videoalign(file)


def test_videoalign_refuses_half_a_study_and_foreign_files(tmp_path):
    file = tmp_path / "v.csv"
    with pytest.raises(UsageError, match="no pairwise votes on aesthetic_appeal"):
        videoalign.write_videoalign(table([vote("p1", "a", dimension="motion_smoothness")]), file)
    with pytest.raises(UsageError, match="no pairwise votes that VideoAlign has a column for"):
        videoalign.write_videoalign(table([vote("p1", "a", dimension="sound")]), file)
    file.write_text("path_A,path_B\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks the columns prompt, VQ"):
        videoalign.read_videoalign(file)
    header = ",".join(videoalign.COLUMNS)
    file.write_text(f"{header}\n1,2,p,A,A,better,8,17,8,17\n", encoding="utf-8")
    with pytest.raises(UsageError, match="TA is 'better'"):
        videoalign.read_videoalign(file)
    file.write_text(f"{header}\n1,2,p,A,A,A,8,many,8,17\n", encoding="utf-8")
    with pytest.raises(UsageError, match="row 1: not a number: 'many'"):
        videoalign.read_videoalign(file)
    file.write_text(f"{header}\n1,2,p,A,A,A,8,17,8,17\n", encoding="utf-8")
    with pytest.raises(UsageError, match="the study has no pair of 1 and 2"):
        videoalign.read_videoalign(file, pairs_of_votes(table([vote("p1", "a")])))


@ROUND_TRIPS
@given(SEEDS)
def test_label_studio_holds_every_row_as_it_was(tmp_path_factory, seed):
    votes, folder = random_votes(seed), tmp_path_factory.mktemp("votes")
    pairs = pairs_of_votes(votes)
    label_studio.write_label_studio(votes, pairs, folder / "t.json", url_prefix="/data/")
    assert_frame_equal(in_order(label_studio.read_label_studio(folder / "t.json", pairs)), in_order(votes))


def test_label_studio_tasks_are_blind_and_have_a_config(tmp_path):
    votes = table([vote("p1", "a"), rating("p1", 4, "b"), vote("p1", "tie", dimension="motion")])
    pairs = pairs_of_votes(votes).assign(clip_1="clips/0a1b.mp4", clip_2="clips/2c3d.mp4")
    votes = votes.assign(clip_a="clips/0a1b.mp4", clip_b="clips/2c3d.mp4")
    label_studio.write_label_studio(votes, pairs, tmp_path / "t.json")
    text = (tmp_path / "t.json").read_text("utf-8")
    assert "run-m1" not in text
    assert '"m1"' not in text
    (task,) = json.loads(text)
    assert task["data"]["left"] == "clips/0a1b.mp4"
    first = task["annotations"][0]["result"][0]
    assert (first["type"], first["value"]) == ("pairwise", {"selected": "left"})
    config = (tmp_path / "t.config.xml").read_text("utf-8")
    for part in (
        '<Pairwise name="overall" toName="left_video,right_video"/>',
        '<Choices name="motion"',
        '<Rating name="motion_smoothness_right"',
    ):
        assert part in config


def test_annotations_made_in_label_studio_become_votes_of_pseudonyms(tmp_path):
    pairs = pairs_of_votes(table([vote("p1", "a")]))
    made = {
        "id": 7,
        "completed_by": {"id": 3, "email": "someone@example.org"},
        "created_at": "2026-01-02T03:04:05Z",
        "lead_time": 4.5,
        "result": [{"from_name": "otherwise", "type": "choices", "value": {"choices": ["both_bad"]}}],
    }
    cancelled = made | {"id": 8, "was_cancelled": True, "result": []}
    tasks = [{"data": {"pair_id": "p1-m1-m2"}, "annotations": [made, cancelled]}]
    (tmp_path / "t.json").write_text(json.dumps(tasks), encoding="utf-8")
    votes = label_studio.read_label_studio(tmp_path / "t.json", pairs)
    assert votes["winner"].tolist() == ["both_bad", "skip"]
    assert votes["vote_id"].tolist() == ["labelstudio-7", "labelstudio-8"]
    assert votes["started_at"][0] == "2026-01-02T03:04:00.500000+00:00"
    assert "someone" not in votes.to_json()


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ({}, "is no list of Label Studio tasks"),
        ([{"data": {"pair_id": "p9"}, "annotations": [{"id": 1, "result": []}]}], "the study has no pair 'p9'"),
        ([{"data": {"pair_id": "p1-m1-m2"}, "annotations": [{"result": []}]}], "an annotation has no id"),
        (
            [
                {
                    "data": {"pair_id": "p1-m1-m2"},
                    "annotations": [
                        {"id": 1, "result": [{"from_name": "x", "type": "choices", "value": {"choices": ["a", "b"]}}]}
                    ],
                }
            ],
            "no single verdict",
        ),
        (
            [
                {
                    "data": {"pair_id": "p1-m1-m2"},
                    "annotations": [
                        {"id": 1, "result": [{"from_name": "x", "type": "choices", "value": {"choices": ["best"]}}]}
                    ],
                }
            ],
            "unknown verdict 'best'",
        ),
        (
            [
                {
                    "data": {"pair_id": "p1-m1-m2"},
                    "annotations": [
                        {"id": 1, "result": [{"from_name": "x_left", "type": "rating", "value": {"rating": 9}}]}
                    ],
                }
            ],
            "is no rating from 1 to 5",
        ),
    ],
)
def test_label_studio_files_that_cannot_be_used(tmp_path, tasks, why):
    (tmp_path / "t.json").write_text(json.dumps(tasks), encoding="utf-8")
    with pytest.raises(UsageError, match=why):
        label_studio.read_label_studio(tmp_path / "t.json", pairs_of_votes(table([vote("p1", "a")])))


@ROUND_TRIPS
@given(SEEDS)
def test_argilla_comes_back_with_the_same_counts(tmp_path_factory, seed):
    votes, file = random_votes(seed), tmp_path_factory.mktemp("votes") / "r.json"
    pairs = pairs_of_votes(votes)
    argilla.write_argilla(votes, pairs, file)
    back = argilla.read_argilla(file, pairs)
    assert verdicts(back) == verdicts(votes)
    assert len(back) == len(votes)
    told = [(argilla.user_id(row["annotator"]), row["simulated"]) for row in votes.to_dict("records")]
    assert Counter(zip(back["annotator"], back["simulated"], strict=True)) == Counter(told)
    means = back.groupby("dimension")["rating"].mean()
    assert means.equals(votes.groupby("dimension")["rating"].mean())


def test_argilla_records_are_blind_and_strange_ones_refused(tmp_path):
    votes, file = table([vote("p1", "a")]), tmp_path / "r.json"
    pairs = pairs_of_votes(votes).assign(clip_1="0a.mp4", clip_2="1b.mp4")
    votes = votes.assign(clip_a="0a.mp4", clip_b="1b.mp4")
    argilla.write_argilla(votes, pairs, file)
    assert "run-m1" not in file.read_text("utf-8")
    record = json.loads(file.read_text("utf-8"))[0]
    assert record["responses"]["overall"] == [{"value": "left", "user_id": argilla.user_id("ann-1")}]
    for broken, why in [
        ({}, "is no list of Argilla records"),
        ([record | {"id": "p9"}], "the study has no pair 'p9'"),
        ([record | {"responses": {"overall": [{"value": 7, "user_id": "u"}]}}], "7 is no answer to 'overall'"),
    ]:
        file.write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(UsageError, match=why):
            argilla.read_argilla(file, pairs)


def test_tables_that_are_none_are_refused_with_row_and_column(tmp_path):
    with pytest.raises(UsageError, match="row 1: unknown column 'colour'"):
        votes_frame([vote("p1", "a", colour="red")])
    with pytest.raises(UsageError, match="row 1 has no annotator"):
        votes_frame([vote("p1", "a", annotator=None, vote_id="v")])
    with pytest.raises(UsageError, match="a value of another kind"):
        votes_frame([vote("p1", "a", rating="good")])
    (tmp_path / "v.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is no table of votes: missing vote_id"):
        read_csv(tmp_path / "v.csv")
    (tmp_path / "v.parquet").write_bytes(b"no")
    with pytest.raises(UsageError, match="not a Parquet file"):
        read_parquet(tmp_path / "v.parquet")
    with pytest.raises(UsageError, match="not a CSV of votes"):
        read_csv(tmp_path / "none.csv")
    write_csv(table([vote("p1", "a")]), tmp_path / "v.csv")
    with (tmp_path / "v.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    rows[1][rows[0].index("reasons")] = "flicker"
    with (tmp_path / "v.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(UsageError, match="reasons must be a JSON list"):
        read_csv(tmp_path / "v.csv")


def test_blind_files_want_their_study(tmp_path):
    (tmp_path / "t.json").write_text("[]", encoding="utf-8")
    for form in ("labelstudio", "argilla"):
        with pytest.raises(UsageError, match="name no model"):
            read_votes(tmp_path / "t.json", form)
    for form in FORMATS:
        with pytest.raises(UsageError, match="no file at"):
            read_votes(tmp_path / "absent", form)
