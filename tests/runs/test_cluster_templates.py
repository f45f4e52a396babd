"""The templates for Slurm and Kubernetes: their commands run, and come to the bytes of one process."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from run_files import final_bytes, final_samples

EXAMPLES = Path(__file__).parents[2] / "examples"
OWN = {"GENERATOR": "python:toy_generators:noise", "SUITE": "mini", "METRICS": "flicker,sharpness", "RUN": "nightly"}


def kubernetes_job():
    return yaml.safe_load((EXAMPLES / "kubernetes-job.yaml").read_text(encoding="utf-8"))


def container():
    (only,) = kubernetes_job()["spec"]["template"]["spec"]["containers"]
    return only


def slurm(index: int, count: int) -> tuple[list[str], dict[str, str]]:
    """The command of the template, and the variables that Slurm sets."""
    variables = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": str(count)}
    return ["bash", str(EXAMPLES / "slurm.sbatch")], variables


def kubernetes(index: int, count: int) -> tuple[list[str], dict[str, str]]:
    """The command of the template, and the variables that Kubernetes sets, those of the template among them."""
    own = {entry["name"]: entry["value"] for entry in container()["env"]}
    variables = own | {"JOB_COMPLETION_INDEX": str(index), "SHARDS": str(count)}
    return [*container()["command"], *container()["args"]], variables


@pytest.fixture
def asked(workplace):
    """`asked(command, variables)`: the arguments with which a command calls `stepbench`."""
    program = workplace / "bin" / "stepbench"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"

    def call(command: list[str], variables: dict[str, str]) -> list[str]:
        environment = {**os.environ, **variables, "PATH": path}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return result.stdout.splitlines()

    return call


def merge_command(template: str) -> list[str]:
    """What the head of a template says is to be done when all jobs have ended."""
    text = (EXAMPLES / template).read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "stepbench merge" in line]
    return shlex.split(line.removeprefix("#"), comments=True)


@pytest.mark.parametrize(
    ("template", "job", "first"), [("slurm.sbatch", slurm, 1), ("kubernetes-job.yaml", kubernetes, 0)]
)
def test_the_jobs_of_a_template_make_one_run(stepbench, make_suite, workplace, asked, template, job, first):
    make_suite("one", "two", "three")
    for index in range(first, first + 2):
        command, variables = job(index, 2)
        arguments = asked(command, variables | OWN | {"RESULTS": "results"})
        assert stepbench(*arguments).code == 0
    program, name, sources, option, target = merge_command(template)
    assert (program, name, option) == ("stepbench", "merge", "-o")
    folders = sorted(workplace.glob(sources.removeprefix("/")))
    assert len(folders) == 2
    assert stepbench("merge", *folders, "-o", target.removeprefix("/")).code == 0
    whole = ["run", "-M", OWN["GENERATOR"], "-t", "mini", "-m", OWN["METRICS"], "--run-id", "whole"]
    assert stepbench(*whole).code == 0
    merged = workplace / target.removeprefix("/")
    assert final_bytes(merged) == final_bytes(workplace / "runs/whole")
    assert final_samples(merged) == final_samples(workplace / "runs/whole")


def test_slurm_jobs_that_are_sent_again_keep_their_shards(asked):
    command, variables = slurm(7, 2)
    assert asked(command, variables | {"SHARDS": "16"})[-1] == "7/16"
    with pytest.raises(subprocess.CalledProcessError) as ended:
        asked(command, {})
    assert "SLURM_ARRAY_TASK_ID: unbound variable" in ended.value.stderr


def test_the_options_of_slurm_stand_before_the_first_command():
    lines = (EXAMPLES / "slurm.sbatch").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
    assert options
    assert max(options) < first
    assert all(lines[number].split()[1].startswith("--") for number in options)


def test_the_kubernetes_job_agrees_with_itself():
    spec = kubernetes_job()["spec"]
    variables = {entry["name"]: entry["value"] for entry in container()["env"]}
    assert spec["completionMode"] == "Indexed"
    assert variables["SHARDS"] == str(spec["completions"])
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert {mount["mountPath"] for mount in container()["volumeMounts"]} == {variables["RESULTS"]}
    mounted = {mount["name"] for mount in container()["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    named = spec["podFailurePolicy"]["rules"][0]["onExitCodes"]
    assert named["containerName"] == container()["name"]
