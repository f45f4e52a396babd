"""What commands print: JSON alone on stdout with --json, tables for people, prompts as data and never as markup."""

from __future__ import annotations

import json

import pytest

from stepbench.cli.main import COMMANDS
from stepbench.cli.output import interval

NOISE = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "flicker", "--run-id", "r"]
MARKUP = "[bold]red[/bold] [not a tag] \\[x] 红色的圆 <b>"


@pytest.fixture
def run(stepbench, make_suite):
    make_suite("one", MARKUP)
    assert stepbench(*NOISE).code == 0
    return "runs/r"


def test_json_is_all_that_goes_to_stdout(stepbench, run):
    calls = [
        NOISE,
        ["score", run, "-m", "sharpness"],
        ["show", run],
        ["show", run, "p1-s0"],
        ["validate", run],
        ["validate", "mini"],
        ["list", "suites"],
        ["list", "prompts", "-t", "mini"],
        ["list", "generators"],
        ["list", "autoencoders"],
        ["list", "metrics"],
        ["list", "weights"],
        ["list", "runs"],
        ["doctor"],
        ["merge", run, "-o", "runs/merged"],
        ["compare", run, run],
        ["generate", "text", "-M", "python:toy_generators:noise", "-o", "clip.mkv"],
        [*NOISE, "--dry-run"],
    ]
    for arguments in calls:
        ended = stepbench(*arguments, "--json")
        assert ended.code == 0, (arguments, ended.err)
        assert ended.records(), arguments
        assert all(isinstance(record, dict) for record in ended.records())


def test_run_prints_coverage_beside_every_mean(stepbench, run):
    (record,) = stepbench(*NOISE, "--json").records()
    assert (record["run"], record["status"], record["samples"]["planned"]) == (run, "complete", 2)
    (metric,) = record["metrics"]
    assert (metric["metric"], metric["n_planned"], metric["n_scored"], metric["coverage"]) == ("flicker", 2, 2, 1.0)
    ended = stepbench(*NOISE)
    assert "2/2" in ended.out
    assert "flicker@1:native" in ended.out
    assert "2 planned, 2 ok, 0 failed, 0 refused, 0 missing; run folder: runs/r" in ended.err


def test_many_failures_are_counted_and_a_few_shown(stepbench, make_suite):
    make_suite(*(f"fail {number}" for number in range(8)))
    ended = stepbench("run", "-M", "python:toy_generators:obedient", "-t", "mini", "--no-score", "--run-id", "r")
    assert ended.code == 3
    assert "incomplete: 8 failures; the same command tries them again" in ended.err
    assert ended.err.count("RuntimeError: no luck") == 5
    assert "... and 3 more: stepbench show runs/r" in ended.err


def test_a_metric_that_was_only_begun_is_named(stepbench, run, workplace):
    (workplace / run / "scores" / "flicker@1:native.jsonl").unlink()
    ended = stepbench("run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "sharpness", "--run-id", "r")
    assert ended.code == 3
    assert "2 clips have no score of flicker yet: stepbench score runs/r -m flicker" in ended.err
    assert stepbench("score", run, "-m", "flicker").code == 0


def test_prompts_are_data_and_never_markup(stepbench, run):
    assert MARKUP in stepbench("list", "prompts", "-t", "mini").out
    assert MARKUP in stepbench("show", run, "p2-s0").out
    assert stepbench("list", "prompts", "-t", "mini", "--json").records()[1]["text"] == MARKUP


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (-0.0707, 0.08652, "[-0.0707, 0.0865]"),
        (34.1498, 34.1502, "[34.1498, 34.1502]"),
        (0.9994, 0.9996, "[0.9994, 0.9996]"),
        (1.0, 1.0, "[1, 1]"),
        (float("nan"), 1.0, ""),
        (None, 1.0, ""),
    ],
)
def test_an_interval_is_shown_finely_enough_to_hold_its_mean(low, high, shown):
    assert interval(low, high) == shown


def test_a_prompt_does_not_steer_the_terminal(stepbench, make_suite):
    text = "\x1b[31mred \x07 \x9b2J"
    make_suite(text)
    shown = stepbench("list", "prompts", "-t", "mini").out
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
    assert "␛[31mred ␇ ␛2J" in shown
    assert stepbench("list", "prompts", "-t", "mini", "--json").records()[0]["text"] == text


def test_list_shows_what_there_is(stepbench, run):
    suites = {record["suite"]: record for record in stepbench("list", "suites", "--json").records()}
    assert suites["step-essentials"]["prompts"] > 100
    assert all(record["licence"] and record["hash"] for record in suites.values())
    generators = [record["generator"] for record in stepbench("list", "generators", "--json").records()]
    assert "world:exact" in generators
    assert any(name.startswith("python:") for name in generators)
    autoencoders = {row["autoencoder"]: row["what"] for row in stepbench("list", "autoencoders", "--json").records()}
    assert autoencoders.keys() >= {"h264:CRF", "step-video:FOLDER", "python:MODULE:CLASS"}
    assert all(autoencoders.values())
    assert stepbench("list", "weights", "--json").records() == stepbench("weights", "list", "--json").records()
    metrics = {record["metric"]: record for record in stepbench("list", "metrics", "--json").records()}
    assert metrics["psnr"]["needs"] == "reference"
    assert metrics["flicker"]["status"] == "ready"
    (row,) = stepbench("list", "runs", "--json").records()
    assert (row["run"], row["status"], row["samples"], row["metrics"]) == ("runs/r", "complete", 2, 1)
    ended = stepbench("list", "runs", "-o", "nowhere")
    assert (ended.code, ended.out) == (0, "")
    assert "no runs here" in ended.err


def test_a_broken_suite_of_another_package_hides_no_other(stepbench, monkeypatch, make_suite):
    from stepbench.suites import registry

    shipped, _ = registry._find()
    folder = make_suite(" ", name="broken")
    monkeypatch.setattr(registry, "_find", lambda: ({**shipped, "broken": folder}, {"gone": "entry point 'gone'"}))
    ended = stepbench("list", "suites", "--json")
    assert {record["suite"] for record in ended.records()} == set(shipped)
    assert "not usable: suite" in ended.err
    assert "prompts.jsonl:1: text: empty text" in ended.err
    assert "not usable: entry point 'gone'" in ended.err
    (check,) = [record for record in stepbench("doctor", "--json").records() if record["name"] == "suites"]
    assert check["level"] == "warn"


def test_a_broken_run_is_listed_as_such(stepbench, run, workplace):
    (workplace / "runs" / "broken").mkdir()
    (workplace / "runs" / "broken" / "run.json").write_text("{", encoding="utf-8")
    statuses = {record["run"]: record["status"] for record in stepbench("list", "runs", "--json").records()}
    assert statuses["runs/r"] == "complete"
    assert "not JSON" in statuses["runs/broken"]
    table = stepbench("list", "runs").out
    assert "python:toy_gen" in table
    assert "not JSON" in table


def test_show_tells_of_the_run_and_of_one_sample(stepbench, run):
    ended = stepbench("show", run)
    assert "generator  python:toy_generators:noise" in ended.out
    assert "status     complete" in ended.out
    (record,) = stepbench("show", run, "p1-s0", "--json").records()
    assert (record["prompt_id"], record["outcome"], record["clip"]) == ("p1", "ok", "clips/p1-s0.mkv")
    assert record["scores"][0]["metric"] == "flicker"
    assert stepbench("show", run, record["sample_key"][:10], "--json").records() == [record]
    ended = stepbench("show", run, "p9-s0")
    assert ended.code == 2
    assert "0 samples of r answer to 'p9-s0'" in ended.err
    assert "2 samples of r answer to ''" in stepbench("show", run, "").err


def test_show_tells_of_a_run_that_waits_for_other_shards(stepbench, make_suite):
    make_suite("one", "two")
    assert stepbench(*NOISE, "--shard", "1/2").code == 0
    ended = stepbench("show", "runs/r", "--json")
    assert ended.code == 0
    (record,) = ended.records()
    assert (record["status"], record["samples"]) == ("partial", {"missing": 1, "ok": 1})


def test_validate_names_every_problem(stepbench, run, make_suite, workplace):
    assert stepbench("validate", "step-essentials").code == 0
    folder = make_suite("one", " ", name="bad")
    ended = stepbench("validate", "bad")
    assert ended.code == 2
    assert f"{folder.name}/prompts.jsonl:2: text: empty text" in ended.out
    (record,) = stepbench("validate", "bad", "--json").records()
    assert (record["kind"], record["valid"], len(record["problems"])) == ("suite", False, 1)
    (workplace / "prompts.txt").write_text("a red circle\n", encoding="utf-8")
    assert stepbench("validate", "prompts.txt").code == 0


def test_validate_finds_changed_missing_and_foreign_files(stepbench, run, workplace):
    folder = workplace / run

    def problems():
        (record,) = stepbench("validate", run, "--json").records()
        return [problem.replace(f"{run}/", "") for problem in record["problems"]]

    assert problems() == []
    clip = folder / "clips" / "p1-s0.mkv"
    data = clip.read_bytes()
    clip.write_bytes(data[:-1])
    assert problems() == ["clips/p1-s0.mkv: changed since the run was finished"]
    clip.unlink()
    assert problems() == ["clips/p1-s0.mkv: missing"]
    clip.write_bytes(data)

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    summary["metrics"][0]["mean"] += 0.1
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert any("summary.json: does not follow from the rows" in problem for problem in problems())
    assert stepbench(*NOISE).code == 0
    assert problems() == []

    with (folder / "samples.jsonl").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"sample_key": "f" * 64, "outcome": "failed", "attempt": 1, "error": "x"}) + "\n")
    assert any("sample ffffffffffff is not in the plan" in problem for problem in problems())
    assert stepbench(*NOISE).code == 0
    (folder / "SHA256SUMS").unlink()
    assert problems() == ["SHA256SUMS: missing"]


def test_checksums_are_as_sha256sum_reads_them(run, workplace):
    import subprocess

    result = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=workplace / run, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "clips/p1-s0.mkv: OK" in result.stdout


def test_every_command_has_a_help_line():
    assert all(line.endswith(".") and line[0].isupper() for line in COMMANDS.values())
