"""Files of a run that are made to mislead or to break a reader: refused with the place named."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submitted_runs import change_json, change_rows

from stepbench.submissions.limits import Limits, SubmissionError
from stepbench.submissions.scan import find_run, read_object, read_rows, scan_folder


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "too large a number"),
        ('{"a": 1, "a": 2}', "a key stands there twice"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ('{"a": ' + "9" * 5000 + "}", "4300"),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "recursion"),
        ("[1]", "an object was expected, got list"),
        ("{", "not JSON"),
        ("\xff", "not JSON"),
    ],
)
def test_tricks_in_json_are_refused(tmp_path: Path, text: str, match: str):
    path = tmp_path / "run.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SubmissionError, match=match):
        read_object(path, Limits())
    path.write_bytes(text.encode("latin-1") + b"\n")
    with pytest.raises(SubmissionError, match=r"run\.json:1"):
        list(read_rows(path, Limits()))


def test_huge_lines_and_files_are_refused_before_they_are_read(tmp_path: Path):
    path = tmp_path / "plan.jsonl"
    path.write_text('{"a": "' + "x" * 2000 + '"}\n', encoding="utf-8")
    with pytest.raises(SubmissionError, match=r"plan\.jsonl:1: a line of more than 1000 bytes"):
        list(read_rows(path, Limits(line=1000)))
    with pytest.raises(SubmissionError, match="at most 100 are taken"):
        list(read_rows(path, Limits(text=100)))
    path.write_text('{"a": 1}\n{"a": 2}', encoding="utf-8")
    with pytest.raises(SubmissionError, match=r"plan\.jsonl:2: the last line is torn"):
        list(read_rows(path, Limits()))
    assert list(read_rows(tmp_path / "none.jsonl", Limits())) == []


def test_links_and_pipes_in_a_folder_are_refused(place: Path):
    run = place / "runs" / "stripes"
    link = run / "clips" / "secret.mp4"
    link.symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match=r"'clips/secret\.mp4' is neither"):
        scan_folder(run, Limits())
    link.unlink()
    (run / "more").symlink_to("/etc")
    with pytest.raises(SubmissionError, match="'more' is neither"):
        scan_folder(run, Limits())
    (run / "more").unlink()
    os.mkfifo(run / "pipe")
    with pytest.raises(SubmissionError, match="'pipe' is neither"):
        scan_folder(run, Limits())


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        (Limits(files=3), "more than 3 files"),
        (Limits(total=100), "more than 100 bytes"),
        (Limits(file=100), "at most 100 are taken"),
        (Limits(depth=0), "nested too deep: 'clips'"),
    ],
)
def test_limits_hold_for_folders_too(made: Path, limits: Limits, match: str):
    with pytest.raises(SubmissionError, match=match):
        scan_folder(made / "runs" / "stripes", limits)


def test_what_holds_no_run_or_two_is_refused(made: Path, tmp_path: Path):
    with pytest.raises(SubmissionError, match=r"run\.json is missing"):
        scan_folder(made / "mini", Limits())
    with pytest.raises(SubmissionError, match="holds 0 runs"):
        find_run(tmp_path)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    with pytest.raises(SubmissionError, match="holds 2 runs"):
        find_run(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("schema", 2, "schema: "),
        ("run_id", "../up", "run_id: "),
        ("status", "running", "status: "),
        ("plan_hash", "x", "plan_hash: "),
        ("seeds", ["0"], "seeds.0: "),
        ("seeds", [True], "seeds.0: "),
        ("metric_cards", {"../../etc/x@1": {}}, "metric_cards"),
        ("generator", {"name": 1}, "generator.name: "),
        ("metric_cards", {"flicker@1:native": {"id": "flicker@1:native"}}, "name must be text, got None"),
    ],
)
def test_a_run_that_breaks_the_format_is_refused(
    place: Path, check: Callable[..., Any], field: str, value: Any, match: str
):
    run = place / "runs" / "stripes"
    change_json(run / "run.json", lambda info: info.update({field: value}))
    with pytest.raises(SubmissionError, match=match):
        check(run)
    assert not (run / "verification.json").exists()


@pytest.mark.parametrize(
    ("file", "field", "value", "match"),
    [
        ("samples.jsonl", "clip", "../../../etc/passwd", "samples.jsonl:1: clip: "),
        ("samples.jsonl", "preview", "/etc/passwd", "samples.jsonl:1: preview: "),
        ("samples.jsonl", "clip", None, "a sample that was made names its clip"),
        ("samples.jsonl", "frames", 10**9, "samples.jsonl:1: frames: "),
        ("plan.jsonl", "seed", -1, "plan.jsonl:1: seed: "),
        ("plan.jsonl", "prompt_id", "p9", "prompt 'p9' is not in prompts.jsonl"),
        ("prompts.jsonl", "text", "", "prompts.jsonl:1: text: "),
        ("prompts.jsonl", "colour", "red", "prompt 'p0': .*colour"),
        ("scores/flicker@1:native.jsonl", "value", "0.1", "value: "),
        ("scores/flicker@1:native.jsonl", "value", None, "a score has a value when, and only when"),
        ("scores/flicker@1:native.jsonl", "metric_id", "saturation@1:native", "a row of 'saturation@1:native'"),
        ("scores/flicker@1:native.jsonl", "sample_key", None, "has no row of its own"),
    ],
)
def test_rows_that_break_the_format_are_refused(
    place: Path, check: Callable[..., Any], file: str, field: str, value: Any, match: str
):
    run = place / "runs" / "stripes"
    change_rows(run / file, lambda row: row.update({field: value}))
    with pytest.raises(SubmissionError, match=match):
        check(run)


def test_a_run_without_a_plan_is_refused(place: Path, check: Callable[..., Any]):
    (place / "runs" / "stripes" / "plan.jsonl").write_text("")
    with pytest.raises(SubmissionError, match="holds no sample"):
        check(place / "runs" / "stripes")
