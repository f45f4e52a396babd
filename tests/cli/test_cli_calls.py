"""Every command answers --help, every mistake has exit code 2 and a way out, and every documented exit code occurs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stepbench.cli import main as main_module
from stepbench.cli.main import COMMANDS
from stepbench.errors import ExitCode

RUN = ["run", "-M", "python:toy_generators:obedient", "-t", "mini", "--run-id", "r"]


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["leaderboard", "build"], ["leaderboard", "serve"]]
)
def test_help(stepbench, command):
    ended = stepbench(*command, "--help")
    assert ended.code == 0
    assert "Usage: stepbench" in ended.out
    assert ended.err == ""
    if not command:
        assert all(name in ended.out for name in COMMANDS)
        words = " ".join(ended.out.split())
        assert all(re.search(rf"[:,] {int(code)} [a-z]", words) for code in ExitCode)


def test_a_call_without_a_command_is_help(stepbench):
    ended = stepbench()
    assert ended.code == 0
    assert "Usage: stepbench" in ended.out


def test_version(stepbench):
    import stepbench as package

    assert stepbench("--version").out.strip() == package.__version__


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["rnu"], 'Unknown command "rnu". Did you mean "run"?'),
        (["frobnicate"], 'Unknown command "frobnicate"'),
        ([*RUN, "--lmit", "3"], "Unknown option: --lmit. Did you mean --limit?"),
        ([*RUN, "--limit", "many"], 'Invalid value for --limit: unable to convert "many" into int'),
        ([*RUN, "--keep", "all"], 'Invalid value "all" for --keep. Choose from: "both", "masters", "previews".'),
        ([*RUN, "--limit"], "--limit"),
        (["run", "-t", "mini"], "--generator"),
        (["run", "-M", "world:exact"], "--suite"),
        (["run", "-M", "wrold:exact", "-t", "mini"], "no generator family 'wrold'"),
        (["run", "-M", "world:exact", "-t", "step-esentials"], "did you mean step-essentials?"),
        ([*RUN, "-m", "flickr"], "did you mean flicker"),
        ([*RUN, "-m", "psnr"], "add --reference RUN"),
        ([*RUN, "--seeds", "3..1"], "seeds must look like 0..3 or 0,2,5, got '3..1'"),
        ([*RUN, "--shard", "5/4"], "--shard must be i/N with 0 <= i <= N, got '5/4'"),
        ([*RUN, "--set", "steps"], "a setting must be KEY=VALUE, got 'steps'"),
        ([*RUN, "--workers", "0"], "workers must be at least 1, got 0"),
        ([*RUN, "--run-id", "q"], "Parameter --run-id specified multiple times"),
        ([*RUN[:-1], "../r"], "unsafe run id '../r'"),
        (["list", "prompt"], 'Invalid value "prompt"'),
        (["list", "prompts"], "add -t SUITE"),
        (["show", "runs/none"], "runs/none is no run folder"),
        (["score", "runs/none"], "runs/none is no run folder"),
        (["validate", "runs/none"], "is neither a suite nor a run"),
        (["merge", "runs/none", "-o", "runs/m"], "runs/none is no run folder"),
        (["compare", "runs/none"], "need two runs or more, got 1"),
        (["generate", "text", "-M", "world:exact", "-o", "clip.gif"], "cannot write clip.gif"),
        (["generate"], "PROMPT"),
    ],
)
def test_mistakes_have_exit_code_2_and_say_the_way_out(stepbench, make_suite, workplace, arguments, complaint):
    make_suite("one")
    ended = stepbench(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert complaint in ended.err
    assert ended.err.startswith("stepbench: ")
    assert "hint: " in ended.err
    assert "Traceback" not in ended.err
    assert not (workplace / "runs").exists()


def test_no_prompt_left_is_exit_code_5(stepbench, make_suite):
    make_suite("one")
    ended = stepbench(*RUN, "-L", "0")
    assert ended.code == 5
    assert "no prompt of suite 'mini' is left" in ended.err


def test_incomparable_runs_are_exit_code_4(stepbench, make_suite):
    for name, texts in (("mini", ["one", "two"]), ("maxi", ["three", "four"])):
        make_suite(*texts, name=name)
        assert (
            stepbench("run", "-M", "python:toy_generators:noise", "-t", name, "-m", "flicker", "--run-id", name).code
            == 0
        )
    ended = stepbench("compare", "runs/mini", "runs/maxi")
    assert ended.code == 4
    assert "suite" in ended.err


def test_gaps_are_exit_code_3_and_a_mended_run_is_0(stepbench, make_suite, monkeypatch):
    make_suite("one", "fail")
    assert stepbench(*RUN, "-m", "flicker").code == 3
    assert stepbench("validate", "runs/r").code == 3
    # To look at a run is no failure, whatever there is to see.
    assert stepbench("show", "runs/r").code == 0
    monkeypatch.setenv("TOY_MENDED", "1")
    assert stepbench(*RUN, "-m", "flicker").code == 0
    assert stepbench("validate", "runs/r").code == 0


def test_ctrl_c_is_exit_code_130(stepbench, monkeypatch):
    def interrupted(tokens):
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "_call", interrupted)
    ended = stepbench("list", "suites")
    assert ended.code == 130
    assert ended.err == "stepbench: interrupted; what is done is saved, the same command continues\n"


def test_an_unexpected_crash_is_exit_code_1_and_one_line(stepbench, monkeypatch):
    def crash(tokens):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(main_module, "_call", crash)
    ended = stepbench("list", "suites")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "stepbench: unexpected crash: ZeroDivisionError: division by zero",
        "  hint: --debug shows where; please report it",
    ]


def test_debug_shows_the_traceback(python_m_stepbench):
    ended = python_m_stepbench("show", "nowhere", "--debug")
    assert ended.code == 1
    assert "Traceback (most recent call last)" in ended.err
    assert "nowhere is no run folder" in ended.err
    assert python_m_stepbench("show", "nowhere").code == 2


def test_every_documented_code_is_in_the_table_and_the_other_way_round():
    table = Path(main_module.__file__).parents[2] / "docs" / "exit-codes.md"
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table.read_text(encoding="utf-8"), re.MULTILINE)}
    assert documented == {1, *map(int, ExitCode)}


def test_a_reader_that_has_seen_enough_hides_no_regression(workplace, stepbench, make_suite):
    make_suite("one", "two")
    for name in ("noise", "dim"):
        assert (
            stepbench(
                "run", "-M", f"python:toy_generators:{name}", "-t", "mini", "-m", "flicker", "--run-id", name
            ).code
            == 0
        )
    (workplace / "gate.toml").write_text("[metrics.flicker]\nmargin = 0.0\n", encoding="utf-8")
    gate = f"{sys.executable} -m stepbench gate runs/noise --baseline runs/dim --policy gate.toml"
    for arguments, reader in (("--json", "true"), ("", "true"), ("--explain 2>&1", "true"), ("", "cat")):
        script = f"{gate} {arguments} | {reader} > /dev/null; exit ${{PIPESTATUS[0]}}"
        ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, "Traceback" in ended.stderr, "crash" in ended.stderr) == (10, False, False)


def test_output_on_a_full_disk_is_exit_code_3(workplace):
    script = f"{sys.executable} -m stepbench list prompts -t moving-shapes --json > /dev/full"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert "cannot write <stdout>: No space left on device" in ended.stderr
    closed = subprocess.run(["bash", "-c", f"{sys.executable} -m stepbench --version >&-"], timeout=60, check=False)
    assert closed.returncode == 0


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_has_seen_enough_is_no_error(workplace, reader):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = f"{sys.executable} -m stepbench list prompts -t moving-shapes --json"
    script = f"{command} | {reader} > /dev/null; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert (result.stdout.strip(), result.stderr) == ("0", "")
