from __future__ import annotations

import json

import pytest
from pandas.testing import assert_frame_equal
from study_pairs import pair_rows
from votes_for_tests import table, vote

from stepbench.errors import UsageError
from stepbench.preferences import Study
from stepbench.preferences.errors import StudyError, VoteConflictError
from stepbench.preferences.formats.exchange import FORMATS, write_votes
from stepbench.preferences.formats.votes_table import write_csv
from stepbench.preferences.import_votes import import_votes
from stepbench.preferences.study_tables import read_tables


def voted_study(folder, *, protocol: str = "pairwise", votes: int = 16) -> Study:
    """A study with votes of people and of a program, on real, gold and repeated pairs, and skips."""
    rows = [row | {"clip_sha256_1": "1" * 64, "clip_sha256_2": "2" * 64} for row in pair_rows(5)]
    rows += [
        {**rows[0], "pair_id": "gold-1", "kind": "gold", "expected": "1", "model_2": rows[0]["model_1"]},
        {**rows[1], "pair_id": "again-1", "kind": "repeat", "repeat_of": rows[1]["pair_id"]},
    ]
    study = Study.create(folder, rows, protocol=protocol, target_votes=4, seed=3)
    study.register("robot", simulated=True)
    verdicts = ["a", "b", "tie", "skip", *(["both_bad"] if protocol == "pairwise" else [])]
    given = 0
    for round_ in range(7):
        for who in ("ada", "bo", "robot"):
            pair = study.next_pair(who)
            if pair is None or given == votes:
                continue
            verdict = verdicts[(given + round_) % len(verdicts)]
            ratings = {q.id: 1 + given % 5 for q in study.protocol.ratings}
            both = {"a": ratings, "b": {name: 6 - value for name, value in ratings.items()}} if ratings else None
            asked = study.protocol.pairwise
            study.vote(
                pair,
                verdict if verdict == "skip" or len(asked) == 1 else {q.id: verdict for q in asked},
                ratings=None if verdict == "skip" else both,
                vote_id=f"v{given}",
                reasons=["flicker"] if given % 3 == 0 else [],
                watch_a_s=1.5 if given % 2 else None,
            )
            given += 1
    return study


def in_order(votes):
    keys = ["vote_id", "dimension", "rated_clip"]
    return votes.sort_values(keys, key=lambda column: column.astype(str)).reset_index(drop=True)


@pytest.mark.parametrize(("form", "protocol"), [("csv", "step-video"), ("parquet", "pairwise")])
def test_a_study_comes_back_row_by_row_from_a_table(tmp_path, form, protocol):
    with voted_study(tmp_path / "one", protocol=protocol) as study:
        before, pairs = study.votes(), study.pairs()
    file = tmp_path / f"votes.{form}"
    written = write_votes(read_tables(tmp_path / "one"), file, form)
    assert written.judgements == len(before) > 10
    done = import_votes(tmp_path / "two", file, form, protocol=protocol)
    assert (done.judgements, done.new) == (len(before), len(before))
    assert done.simulated == before["simulated"].sum() > 0
    with Study.open(tmp_path / "two") as study:
        assert_frame_equal(in_order(study.votes()), in_order(before), check_exact=False, rtol=1e-12)
        assert_frame_equal(study.pairs(), pairs)
    again = import_votes(tmp_path / "two", file, form)
    assert (again.judgements, again.new) == (len(before), 0)


@pytest.mark.parametrize("form", ["arena", "labelstudio", "argilla", "videoalign"])
def test_other_formats_come_back_into_a_study_with_the_same_plan(tmp_path, form):
    with voted_study(tmp_path / "one") as study:
        pairs = study.pairs().drop(columns=["votes"])
    file = tmp_path / ("v.json" if form in ("labelstudio", "argilla") else "v.csv")
    written = write_votes(read_tables(tmp_path / "one"), file, form)
    with Study.create(tmp_path / "two", pairs, seed=9):
        pass
    done = import_votes(tmp_path / "two", file, form)
    assert done.judgements == done.new == written.judgements > 8
    counted = read_tables(tmp_path / "two").votes
    before = read_tables(tmp_path / "one").votes
    if form in ("arena", "videoalign"):
        before = before[(before["kind"] == "real") & (before["winner"] != "skip")]

    def told(votes):
        rows = votes.to_dict("records")
        clip = [{"a": row["clip_a"], "b": row["clip_b"]}.get(row["winner"], row["winner"]) for row in rows]
        return sorted(zip((row["pair_id"] for row in rows), clip, strict=True))

    assert told(counted) == told(before)


def test_a_table_of_votes_serves_in_place_of_a_study(tmp_path):
    votes = table([vote("p1", "a"), vote("p2", "b")])
    write_csv(votes, tmp_path / "in.csv")
    done = import_votes(tmp_path / "votes.parquet", tmp_path / "in.csv", "csv")
    assert done.new == 2
    tables = read_tables(tmp_path / "votes.parquet")
    assert_frame_equal(tables.votes, votes)
    assert tables.facts["votes_file"] == "votes.parquet"
    with pytest.raises(UsageError, match="is there already"):
        import_votes(tmp_path / "votes.parquet", tmp_path / "in.csv", "csv")
    with pytest.raises(UsageError, match="no file of votes at"):
        read_tables(tmp_path / "none.csv")


def test_what_a_study_cannot_take_stores_nothing(tmp_path):
    good = vote("p1", "a")
    write_csv(table([good]), tmp_path / "v.csv")
    import_votes(tmp_path / "study", tmp_path / "v.csv", "csv")

    def refused(rows, error, match):
        write_csv(table(rows), tmp_path / "bad.csv")
        with pytest.raises(error, match=match):
            import_votes(tmp_path / "study", tmp_path / "bad.csv", "csv")

    new = vote("p2", "a")
    refused([new, good | {"winner": "b"}], VoteConflictError, "stored with another content")
    refused([new, good | {"vote_id": "v2"}], VoteConflictError, "annotator ann-1 has pair p1-m1-m2 already")
    refused([new, vote("p3", "a", dimension="sound")], StudyError, "does not ask for sound")
    refused([new, vote("p3", "a", simulated=True)], StudyError, "annotator ann-1 is a person in this study")
    refused([new, vote("p4", "a", kind="gold")], UsageError, "1 judgements are on gold pairs")
    other = vote("p1", "a", annotator="y", clip_a="clips/else.mp4")
    refused([new, other], UsageError, "is on other clips than pair p1-m1-m2")
    with Study.open(tmp_path / "study") as study:
        assert study.votes()["vote_id"].tolist() == [good["vote_id"]]
        assert study.pairs()["pair_id"].tolist() == ["p1-m1-m2"]


def test_a_new_study_gets_the_protocol_that_asks_what_was_answered(tmp_path):
    write_csv(table([vote("p1", "a"), vote("p1", "b", dimension="motion_smoothness")]), tmp_path / "v.csv")
    import_votes(tmp_path / "study", tmp_path / "v.csv", "csv")
    with Study.open(tmp_path / "study") as study:
        assert study.protocol.name == "pairwise-dimensions"
    write_csv(table([vote("p1", "a", dimension="sound")]), tmp_path / "v.csv")
    with pytest.raises(UsageError, match=r"no built-in protocol .* asks for sound"):
        import_votes(tmp_path / "other", tmp_path / "v.csv", "csv")


def test_pairs_beside_votes_must_be_what_was_written(tmp_path):
    write_csv(table([vote("p1", "a")]), tmp_path / "v.csv")
    beside = tmp_path / "v.pairs.jsonl"
    for text, why in [("no json\n", "cannot be read"), ("[1]\n", "no JSON objects")]:
        beside.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=why):
            import_votes(tmp_path / "study", tmp_path / "v.csv", "csv")


def test_every_format_has_a_way_out_and_in():
    assert set(FORMATS) == {"dpo", "trl", "videoalign", "arena", "labelstudio", "argilla", "csv", "parquet"}


@pytest.mark.parametrize("protocol", ["pairwise", "pairwise-dimensions", "step-video"])
def test_every_export_comes_back_into_its_own_study_as_what_it_has(tmp_path, protocol):
    with voted_study(tmp_path / "one", protocol=protocol) as study:
        before = study.votes()
    tables = read_tables(tmp_path / "one")
    suffixes = {"labelstudio": ".json", "argilla": ".json", "parquet": ".parquet"}
    for form in ("csv", "parquet", "arena", "videoalign", "labelstudio", "argilla"):
        file = tmp_path / f"{form}{suffixes.get(form, '.csv')}"
        written = write_votes(tables, file, form)
        assert written.simulated == before["simulated"].sum() > 0
        assert any(note.startswith("SIMULATED") for note in written.notes)
        done = import_votes(tmp_path / "one", file, form)
        assert (done.new, done.simulated > 0) == (0, True), form
    with Study.open(tmp_path / "one") as study:
        assert_frame_equal(study.votes(), before)


def test_a_response_that_differs_from_the_vote_that_stands_is_a_conflict(tmp_path):
    voted_study(tmp_path / "one").close()
    file = tmp_path / "argilla.json"
    write_votes(read_tables(tmp_path / "one"), file, "argilla")
    text = file.read_text("utf-8")
    file.write_text(text.replace('"value": "left"', '"value": "right"', 1), encoding="utf-8")
    with pytest.raises(VoteConflictError, match="is stored with another content"):
        import_votes(tmp_path / "one", file, "argilla")


def test_preferences_come_back_into_their_own_study_as_votes_it_has(tmp_path):
    with voted_study(tmp_path / "one") as study:
        votes = study.votes()
    real = votes[(votes["kind"] == "real") & votes["winner"].isin(["a", "b"])]
    rows = []
    for vote_ in real.to_dict("records"):
        sides = {"chosen": vote_["winner"], "rejected": "b" if vote_["winner"] == "a" else "a"}
        row = {"prompt": vote_["text"], "pair_id": vote_["pair_id"], "prompt_id": vote_["prompt_id"]}
        row |= {name: f"elsewhere/{vote_[f'clip_{side}']}" for name, side in sides.items()}
        row |= {f"{name}_model": vote_[f"model_{side}"] for name, side in sides.items()}
        one = {name: vote_[name] for name in ("vote_id", "annotator", "simulated")}
        rows.append(row | {"votes": [one | {"outcome": "chosen"}]})
    assert set(real["winner"]) == {"a", "b"}
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert import_votes(tmp_path / "one", file, "dpo").new == 0
    file.write_text(
        file.read_text("utf-8").replace('"outcome": "chosen"', '"outcome": "rejected"', 1), encoding="utf-8"
    )
    with pytest.raises(VoteConflictError, match="is stored with another content"):
        import_votes(tmp_path / "one", file, "dpo")
