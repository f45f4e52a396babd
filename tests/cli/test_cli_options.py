"""Options from the command line, from a file and from the environment, and how their texts are read."""

from __future__ import annotations

import pytest

from stepbench.cli.options import parse_seeds, parse_shard, split_names
from stepbench.errors import UsageError

RUN = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--run-id", "r"]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]),
        ("0..3", [0, 1, 2, 3]),
        ("5..5", [5]),
        ("0,2,5", [0, 2, 5]),
        ("0..2,7", [0, 1, 2, 7]),
        (" 1 , 3..4 ", [1, 3, 4]),
    ],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "-1", "1..", "..3", "3..1", "1,,2", "1.5", "²", "0..x", "9" * 5000])
def test_other_seeds_are_refused(text):
    with pytest.raises(UsageError, match=r"seeds must look like 0\.\.3 or 0,2,5, got"):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["0..99999999999", "0..999999,2000000", f"0..1{'0' * 30}"])
def test_more_seeds_than_anybody_means_are_refused_before_they_fill_the_memory(text):
    with pytest.raises(UsageError, match=r"at most 1,000,000 seeds per prompt, got"):
        parse_seeds(text)


@pytest.mark.parametrize(("text", "shard"), [(None, None), ("0/4", (0, 4)), ("4/4", (4, 4)), ("1/1", (1, 1))])
def test_shards(text, shard):
    assert parse_shard(text) == shard


@pytest.mark.parametrize("text", ["", "1", "1/", "/4", "5/4", "-1/4", "0/0", "a/b", "1/²"])
def test_other_shards_are_refused(text):
    with pytest.raises(UsageError, match="--shard must be i/N with 0 <= i <= N, got"):
        parse_shard(text)


def test_names_by_commas():
    assert split_names(None) is None
    assert split_names(["a,b", " c ,", ""]) == ["a", "b", "c"]


@pytest.fixture
def planned(stepbench, make_suite):
    """Call `run --dry-run` on a suite of three prompts and return its record."""
    make_suite("one", "two", "three")

    def call(*arguments, code=0):
        ended = stepbench("run", "-M", "python:toy_generators:noise", "-t", "mini", "--dry-run", "--json", *arguments)
        assert ended.code == code, ended.err
        return ended.records()[0] if code == 0 else ended.err

    return call


def test_a_dry_run_names_the_run_and_the_shard_that_would_be_made(planned, stepbench):
    assert planned("--run-id", "mine")["run_id"] == "mine"
    assert [planned("--shard", f"{index}/4")["samples"] for index in range(4)] == [1, 1, 1, 0]
    assert stepbench(*RUN, "--no-score").code == 0
    whole, part = planned("--seeds", "0..1"), planned("--seeds", "0..1", "--shard", "1/2")
    assert (part["samples"], part["hours"]) == (3, pytest.approx(whole["hours"] / 2))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--run-id", "../r"), "unsafe run id '../r'"),
        (("--shard", "5/4"), "--shard must be i/N"),
        (("--workers", "0"), "workers must be at least 1, got 0"),
        (("-m", "flickr"), "did you mean flicker"),
        (("-m", "psnr"), "add --reference RUN"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(planned, arguments, complaint):
    assert complaint in planned(*arguments, code=2)


def test_a_dry_run_makes_nothing(planned, stepbench, workplace):
    record = planned("--seeds", "0..3")
    assert (record["samples"], record["prompts"], record["seeds"]) == (12, 3, 4)
    assert record["hours"] is None
    assert "no earlier run" in record["hours_from"]
    assert not (workplace / "runs").exists()
    assert stepbench(*RUN, "--no-score").code == 0
    record = planned("--seeds", "0..3")
    assert record["hours"] > 0
    assert record["hours_from"] == "3 earlier samples"
    assert record["disk_bytes"] > 12 * 5 * 3 * 32 * 32
    (workplace / "runs" / "r" / "samples.jsonl").write_text("nonsense\n", encoding="utf-8")
    assert planned()["hours"] is None
    ended = stepbench("run", "-M", "python:toy_generators:noise", "-t", "mini", "--dry-run")
    assert "3 samples (3 prompts x 1 seeds)" in ended.out
    assert "nothing was made" in ended.err


def test_options_from_a_file(planned, workplace):
    (workplace / "options.toml").write_text('limit = 2\nseeds = "0..4"\nset = ["sleep=0.5"]\n', encoding="utf-8")
    record = planned("--config", "options.toml")
    assert (record["prompts"], record["seeds"]) == (2, 5)
    assert planned("--config=options.toml", "--limit", "1")["prompts"] == 1


def test_a_switch_from_a_file(stepbench, make_suite, workplace):
    make_suite("one")
    (workplace / "options.toml").write_text("no-score = true\n", encoding="utf-8")
    ended = stepbench(*RUN, "--config", "options.toml", "--json")
    assert ended.code == 0
    assert ended.records()[0]["metrics"] == []


def test_the_same_file_serves_a_command_of_a_group(stepbench, workplace):
    (workplace / "options.toml").write_text('out = "elsewhere"\nruns = "none"\n', encoding="utf-8")
    ended = stepbench("leaderboard", "build", "--config", "options.toml", "--json")
    assert "Unknown option" not in ended.err
    assert "elsewhere" in ended.out or "none" in ended.err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("limt = 2", 'Unknown option: "[limt]" from options.toml. Did you mean --limit?'),
        ("score = false", 'Unknown option: "[score]" from options.toml'),
        ('limit = "many"', "Invalid value for [limit] from options.toml"),
        ('keep = "all"', "keep"),
        ("limit = = 2", "options.toml: not TOML: Invalid value (at line 1"),
        ("\udcff", "options.toml: not TOML: 'utf-8' codec can't decode"),
    ],
)
def test_mistakes_in_a_file_are_named(planned, workplace, text, complaint):
    (workplace / "options.toml").write_bytes(text.encode("utf-8", errors="surrogateescape"))
    assert complaint in planned("--config", "options.toml", code=2)


def test_a_file_must_be_named_and_there(planned):
    assert "no config file nowhere.toml" in planned("--config", "nowhere.toml", code=2)
    assert "--config needs a file" in planned("--config", code=2)


def test_options_from_the_environment(planned, workplace, monkeypatch):
    monkeypatch.setenv("STEPBENCH_RUN_LIMIT", "2")
    assert planned()["prompts"] == 2
    (workplace / "options.toml").write_text("limit = 3\n", encoding="utf-8")
    assert planned("--limit", "1")["prompts"] == 1
    assert planned("--config", "options.toml", "--limit", "1")["prompts"] == 1
    monkeypatch.setenv("STEPBENCH_RUN_LIMIT", "many")
    assert "STEPBENCH_RUN_LIMIT" in planned(code=2)


def test_selections_from_the_command_line(planned):
    assert planned("--categories", "a,b", "--languages", "en")["prompts"] == 3
    assert planned("--categories", "b")["prompts"] == 2
    assert "the suite has no category 'c'" in planned("--categories", "c", code=2)
