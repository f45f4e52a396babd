"""`stepbench prefs rate`, `export` and `import` as they are called."""

from __future__ import annotations

import json

import pytest
from votes_for_tests import random_votes, rating, table, vote

from stepbench.preferences.formats.votes_table import write_parquet


@pytest.fixture
def votes_file(workplace):
    """Writes votes where commands find them, with a file for every clip."""

    def write(rows, name="votes.parquet"):
        votes = rows if hasattr(rows, "columns") else table(rows)
        for clip in {*votes["clip_a"], *votes["clip_b"]}:
            file = workplace / clip
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(clip.encode())
        write_parquet(votes, workplace / name)
        return name

    return write


def many(count=12, **more):
    return [vote(f"p{n}", ["a", "b", "tie"][n % 3], annotator=f"ann-{n % 2}", **more) for n in range(count)]


def test_rate_prints_tables_and_the_label_of_simulated_votes(votes_file, stepbench):
    file = votes_file([*many(), *(rating(f"p{n}", 1 + n % 5, "a") for n in range(6))])
    ended = stepbench("prefs", "rate", file, "--draws", "50", "--annotators")
    assert ended.code == 0
    for part in ("overall: ratings in log-odds", "head to head", "ratings from 1 to 5", "agreement", "total", "ann-1"):
        assert part in ended.out
    assert "SIMULATED" not in ended.out + ended.err
    simulated = stepbench("prefs", "rate", votes_file(many(simulated=True), "s.parquet"), "--draws", "50")
    assert "SIMULATED: 12 of 12 judgements are by programs, no person voted" in simulated.err
    assert "overall: ratings in log-odds (SIMULATED VOTES)" in simulated.out


def test_rate_gives_records(votes_file, stepbench):
    records = stepbench("prefs", "rate", votes_file(random_votes(2)), "--draws", "20", "--json").records()
    assert records[0]["table"] == "study"
    models = [record for record in records if record["table"] == "models"]
    assert {"model", "rating", "low", "high", "rank_low", "rank_high", "acceptable", "simulated_votes"} <= set(
        models[0]
    )
    again = stepbench("prefs", "rate", votes_file(random_votes(2)), "--draws", "20", "--json").records()
    assert again == records


def test_rate_says_that_there_is_no_common_scale(votes_file, stepbench):
    ended = stepbench("prefs", "rate", votes_file([*many(), *many(models=("m3", "m4"))]), "--draws", "20")
    assert ended.code == 4
    assert "overall: no ratings: no vote connects these groups of models" in ended.out
    won = stepbench("prefs", "rate", votes_file([vote(f"p{n}", "a") for n in range(5)], "w.parquet"), "--draws", "20")
    assert won.code == 0
    assert "no finite rating fits" in " ".join(won.out.split())


def test_export_for_training_and_its_way_back(votes_file, stepbench, workplace):
    file = votes_file([vote(f"p{n}", "ab"[n % 2]) for n in range(30)] + [vote("q", "tie")])
    ended = stepbench("prefs", "export", file, "--to", "dpo", "-o", "out", "--json")
    assert ended.code == 0
    assert ended.records()[0]["pairs"] == {"voted_on": 31, "kept": 30, "dropped": {"tie": 1}}
    assert "30 of 31 pairs kept; 1 by 'tie'" in ended.err
    assert {"train.jsonl", "train.parquet", "manifest.json"} <= {path.name for path in (workplace / "out").iterdir()}
    back = stepbench("prefs", "import", "back.csv", "out", "--from", "dpo", "--json")
    assert back.records()[0]["judgements"] == 30
    hub = stepbench("prefs", "export", file, "--to", "trl", "-o", "hub")
    assert hub.code == 0
    assert (workplace / "hub" / "README.md").is_file()
    assert len(list((workplace / "hub" / "clips").iterdir())) == 60


def test_a_leaked_prompt_stops_the_export_by_name(votes_file, stepbench, workplace, make_suite):
    suite = make_suite("A text for P4!", "something else")
    ended = stepbench(
        *("prefs", "export", votes_file(many()), "--to", "dpo", "-o", "out", "--evaluation-suite", str(suite))
    )
    assert ended.code == 2
    assert "p4 'a text for p4' is prompt p1 of suite mini" in ended.err
    assert not (workplace / "out").exists()


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("csv", "v.csv"),
        ("parquet", "v.parquet"),
        ("arena", "v.jsonl"),
        ("videoalign", "v.csv"),
        ("labelstudio", "v.json"),
        ("argilla", "v.json"),
    ],
)
def test_export_and_import_of_every_table(votes_file, stepbench, workplace, form, name):
    file = votes_file(many())
    ended = stepbench("prefs", "export", file, "--to", form, "-o", f"out/{name}")
    assert (ended.code, ended.err.splitlines()[-1]) == (0, f"out/{name}: 12 of 12 judgements")
    plan = stepbench("prefs", "export", file, "--to", "csv", "-o", "plan.csv")
    assert plan.code == 0
    assert stepbench("prefs", "import", "study", "plan.csv", "--from", "csv").code == 0
    # Everything is there already, by id.
    again = stepbench("prefs", "import", "study", f"out/{name}", "--from", form)
    assert again.err.splitlines()[0] == f"study: 12 judgements in out/{name}, 0 of them new"
    assert stepbench("prefs", "rate", "study", "--draws", "20").code == 0


def test_bad_input_is_told_with_a_way_out(votes_file, stepbench, workplace):
    (workplace / "empty.jsonl").write_text("")
    for arguments, code, text in [
        (("rate", "none.csv"), 2, "no file of votes at none.csv"),
        (("rate", "nowhere"), 2, "no study at"),
        (("export", "none.csv", "--to", "dpo", "-o", "x"), 2, "no file of votes"),
        (("import", "study", "none.csv", "--from", "csv"), 2, "no file at none.csv"),
        (("export", votes_file(many()), "--to", "dpo", "-o", "x", "--min-votes", "9"), 5, "no pair is left"),
        (("export", votes_file(many()), "--to", "excel", "-o", "x"), 2, "excel"),
        (("export", votes_file(many()), "--to", "arena", "-o", "x.txt"), 2, "battles are written to"),
        (("export", votes_file(many()), "--to", "csv", "-o", "x.parquet"), 2, "a csv file cannot be called x.parquet"),
        (("export", votes_file(many()), "--to", "csv", "-o", "empty.jsonl/x.csv"), 3, "cannot save empty.jsonl/x.csv"),
        (("export", votes_file(many()), "--to", "dpo", "-o", "empty.jsonl/x"), 3, "cannot save empty.jsonl/x"),
        (("export", votes_file(many()), "--to", "dpo", "-o", "x", "--val", "nan"), 2, "shares must be at least 0"),
        (("export", votes_file(many()), "--to", "dpo", "-o", "x", "--runs", "no"), 2, "--runs no is no folder"),
        (("rate", votes_file(many()), "--seed", "-1"), 2, "--seed must be at least 0, got -1"),
        (("import", "new", "empty.jsonl", "--from", "dpo"), 2, "no preferences in empty.jsonl"),
    ]:
        ended = stepbench("prefs", *arguments)
        assert ended.code == code, ended.err
        assert text in ended.err
        assert "Traceback" not in ended.err
    assert not (workplace / "new").exists()
    assert (
        json.loads(stepbench("prefs", "export", votes_file(many()), "--to", "csv", "-o", "v.csv", "--json").out)["of"]
        == 12
    )
