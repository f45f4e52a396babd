"""A pull request from end to end with real runs: exact clips as the baseline, flickering ones as the candidate."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path
from string import Template
from xml.etree import ElementTree as Xml

import pytest
import yaml
from markdown_it import MarkdownIt

import stepbench.api as api
from stepbench.gate import as_policy, check

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
POLICY = """\
[metrics.flicker]
margin = 0.01

[metrics.sharpness]
relative_margin = 0.5
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/exact and runs/flicker on twelve prompts of moving-shapes, and gate.toml."""
    folder = tmp_path_factory.mktemp("pull-request")
    for name in ("exact", "flicker"):
        api.run(
            f"world:{name}",
            "moving-shapes",
            metrics=["flicker", "sharpness"],
            limit=12,
            out=folder / "runs",
            run_id=name,
            keep="masters",
        )
    (folder / "gate.toml").write_text(POLICY)
    return folder


@pytest.fixture
def place(made: Path, workplace: Path) -> Path:
    """The current folder, with the runs in it."""
    shutil.copytree(made, workplace, dirs_exist_ok=True)
    return workplace


GATE = ["gate", "runs/flicker", "--baseline", "runs/exact", "--policy", "gate.toml"]


def test_worse_flicker_fails_the_gate_and_every_report_names_metric_and_prompts(stepbench, place):
    ended = stepbench(*GATE, "--junit", "gate.xml", "--markdown", "gate.md", "-o", "gate.json", "--explain")
    assert ended.code == 10
    record = json.loads((place / "gate.json").read_text())
    flicker, sharpness = record["metrics"]
    assert (flicker["verdict"], sharpness["verdict"]) == ("regression", "pass")
    assert flicker["n"] == 6  # twelve prompts, English and Chinese of one scene together
    assert flicker["low"] > 0.1
    fallen = [prompt["prompt_id"] for prompt in flicker["fell"]]
    assert len(fallen) == 5
    assert set(fallen) <= set(api.open_run("runs/flicker").samples()["prompt_id"])

    assert re.search(r"│ flicker ↓ +│.*│ at most \+0\.01 +│ +6 │.*│ regression", ended.out)
    assert re.search(r"│ sharpness ↑ +│.*│ pass ", ended.out)
    assert "what would change it" in ended.out
    assert all(prompt in ended.err for prompt in fallen)
    assert ended.err.rstrip().endswith("regression: flicker")

    failure = Xml.parse(place / "gate.xml").find("testsuite/testcase[@name='flicker']/failure")
    assert failure is not None
    assert all(prompt in (failure.text or "") for prompt in fallen)
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render((place / "gate.md").read_text())
    assert "regression: flicker" in html
    assert all(f"<code>{prompt}</code>" in html for prompt in fallen)


def test_an_unchanged_candidate_passes_also_without_clips_in_the_baseline(stepbench, place):
    shutil.copytree("runs/exact", "runs/again")
    shutil.rmtree("runs/exact/clips")
    ended = stepbench("gate", "runs/again", *GATE[2:], "--junit", "gate.xml")
    assert ended.code == 0
    assert ended.err.rstrip().endswith("pass: no loss beyond its margin in flicker, sharpness")
    assert Xml.parse(place / "gate.xml").getroot().get("failures") == "0"


def test_json_goes_to_stdout_and_the_python_interface_says_the_same(stepbench, place):
    ended = stepbench(*GATE, "--json", "--explain")
    assert ended.code == 10
    (record,) = ended.records()
    assert record["verdict"] == "regression"
    assert "flicker against the baseline: regression" in ended.err
    assert check("runs/flicker", "runs/exact", "gate.toml").to_json() == record
    drifted = check("runs/flicker", "runs/flicker", as_policy("gate.toml"), anchor="runs/exact")
    assert [one.verdict for one in drifted.metrics] == ["pass", "pass", "regression", "pass"]
    assert (
        stepbench("gate", "runs/flicker", "--baseline", "runs/flicker", *GATE[4:], "--anchor", "runs/exact").code == 10
    )


@pytest.mark.parametrize(("word", "code"), [("fail", 11), ("warn", 0), ("pass", 0)])
def test_the_inconclusive_is_what_it_was_asked_to_be(stepbench, place, word, code):
    (place / "gate.toml").write_text("[metrics.flicker]\nmargin = 0.165\n")
    ended = stepbench(*GATE, "--inconclusive", word, "--junit", "gate.xml")
    assert ended.code == code
    assert ended.err.rstrip().endswith("lets it through" if word == "warn" else "inconclusive: flicker")
    case = Xml.parse(place / "gate.xml").find("testsuite/testcase")
    assert case is not None
    assert case[0].tag == {"fail": "failure", "warn": "skipped", "pass": "system-out"}[word]


def test_failed_samples_are_exit_code_3(stepbench, place):
    journal = place / "runs/flicker/samples.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    rows[2] |= {"outcome": "failed", "error": "out of memory", "clip": None, "clip_sha256": None}
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "gate.toml").write_text("[metrics.flicker]\nmargin = 1.0\n")
    ended = stepbench(*GATE)
    assert ended.code == 3
    assert "91.7% of the samples of flicker are scored (1 failed), the policy demands 100.0%" in ended.err
    assert stepbench(*GATE, "--inconclusive", "pass").code == 3
    (place / "gate.toml").write_text("min_coverage = 0.9\n[metrics.flicker]\nmargin = 1.0\n")
    assert stepbench(*GATE).code == 0


@pytest.mark.parametrize(
    ("policy", "code", "complaint"),
    [
        ("[metrics.flickr]\nmargin = 1", 2, "there is no metric 'flickr'\n  hint: did you mean 'flicker'?"),
        ("[metrics.flicker]\nmargn = 1", 2, "unknown key 'margn'\n  hint: did you mean 'margin'?"),
        ("", 5, "gate.toml names no metric"),
        ("[metrics.contrast]\nmargin = 1", 2, "[metrics.contrast] needs a direction"),
        ("[metrics.ssim]\nmargin = 1", 3, "flicker has no scores of ssim: stepbench score runs/flicker -m ssim"),
    ],
)
def test_a_policy_that_cannot_be_met(stepbench, place, policy, code, complaint):
    if "contrast" in policy:
        for name in ("exact", "flicker"):
            api.score(f"runs/{name}", metrics=["contrast"])
    (place / "gate.toml").write_text(policy)
    ended = stepbench(*GATE)
    assert ended.code == code
    assert complaint in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["gate", "runs/none", *GATE[2:]], 2, "runs/none is no run folder"),
        ([*GATE[:4], "--policy", "none.toml"], 2, "none.toml: cannot be read"),
        (GATE[:4], 2, "--policy"),
        (["gate", "runs/flicker", *GATE[4:]], 2, "--baseline"),
        ([*GATE, "--inconclusive", "maybe"], 2, 'Choose from: "fail", "warn", "pass"'),
        ([*GATE, "--junit", "gate.toml/x.xml"], 3, "cannot save"),
        ([*GATE, "--allow-incomparable", " "], 2, "needs a reason, got a blank one"),
    ],
)
def test_mistakes(stepbench, place, arguments, code, complaint):
    ended = stepbench(*arguments)
    assert ended.code == code
    assert complaint in ended.err


def test_runs_that_do_not_compare_are_exit_code_4_unless_forced(stepbench, place):
    info = json.loads((place / "runs/exact/run.json").read_text())
    info["settings"]["fps"] = 24
    (place / "runs/exact/run.json").write_text(json.dumps(info))
    ended = stepbench(*GATE, "--junit", "gate.xml")
    assert ended.code == 4
    assert "fps: 24 against 8" in ended.err
    assert 'type="not_comparable"' in (place / "gate.xml").read_text("utf-8")
    forced = stepbench(*GATE, "--allow-incomparable", "the rate was written wrong")
    assert forced.code == 10
    assert "compared all the same, for this reason: the rate was written wrong" in forced.err


def scripts(name: str) -> tuple[dict[str, str], list[str]]:
    """The variables and the `stepbench` command lines of an example."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    if name.startswith("github"):
        blocks, variables = [step.get("run", "") for step in content["jobs"]["gate"]["steps"]], content["env"]
        assert content[True] == "pull_request"  # YAML 1.1 reads `on` as true
    else:
        blocks, variables = content["quality-gate"]["script"], content["quality-gate"]["variables"]
        assert content["quality-gate"]["allow_failure"] == {"exit_codes": 11}
    made_by = re.findall(r"^#   (stepbench .*?) && rm -r (\S+)$", text, re.MULTILINE)
    lines = [made_by[0][0], *(line for block in blocks for line in block.splitlines() if line.startswith("stepbench"))]
    assert made_by[0][1] == "ci/baseline/clips"
    return {key: str(value) for key, value in variables.items()}, lines


@pytest.mark.parametrize("name", ["github-workflow.yml", "gitlab-ci.yml"])
def test_the_examples_parse_and_their_commands_do_what_they_say(stepbench, workplace, name):
    variables, (baseline, candidate, gate) = scripts(name)
    assert variables["GENERATOR"] == "world:exact"
    shutil.copytree(EXAMPLES, workplace / "ci")

    def call(line: str, **changes: str) -> int:
        program, *words = shlex.split(Template(line).substitute({**variables, "LIMIT": "8", **changes}))
        assert program == "stepbench"
        return stepbench(*words).code

    os.environ.pop("GITHUB_STEP_SUMMARY", None)
    assert call(baseline) == 0
    shutil.rmtree("ci/baseline/clips")
    assert call(candidate, GENERATOR="world:flicker") == 0
    (workplace / "ci/gate.toml").write_text((EXAMPLES / "gate.toml").read_text().replace("min_n = 6", "min_n = 4"))
    assert call(gate) == 10
    assert Xml.parse("gate.xml").find("testsuite/testcase[@name='flicker']/failure") is not None
    assert "regression" in Path("gate.md").read_text()
    assert json.loads(Path("gate.json").read_text())["verdict"] == "regression"


def test_the_example_policy_is_read_and_its_metrics_are_in_the_default_set():
    from metrics.registry import OFFLINE

    policy = as_policy(EXAMPLES / "gate.toml")
    assert set(policy.metrics) <= set(OFFLINE)
    assert (policy.alpha, policy.min_coverage) == (0.05, 1.0)
