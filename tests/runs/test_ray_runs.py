"""Runs by Ray come to the same bytes as local ones, also when a node is killed or the command is interrupted."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from run_files import clip_bytes, final_bytes, final_samples, lines

NO_RAY = importlib.util.find_spec("ray") is None
needs_ray = pytest.mark.skipif(NO_RAY, reason="the extra [ray] is not installed")
SCORED = ["-m", "flicker,sharpness"]


def same_run(one: Path, other: Path) -> None:
    assert final_bytes(one) == final_bytes(other)
    assert final_samples(one) == final_samples(other)
    assert clip_bytes(one) == clip_bytes(other)


@needs_ray
def test_a_run_by_ray_is_the_run(stepbench, make_suite, workplace):
    import ray

    make_suite("one", "fail", "two", "refuse", "three")
    run = ["run", "-M", "python:toy_generators:obedient", "-t", "mini", *SCORED, "--json"]
    local = stepbench(*run, "--run-id", "local")
    by_ray = stepbench(*run, "--run-id", "ray", "--executor", "ray", "--workers", "2")
    assert (local.code, by_ray.code) == (3, 3)
    same_run(workplace / "runs/ray", workplace / "runs/local")
    # Nothing but records on stdout, Ray ended with the command, and a `kill` still means an interrupted run.
    assert [record["run"] for record in by_ray.records()] == ["runs/ray"]
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_without_ray_the_error_names_the_extra(stepbench, make_suite, monkeypatch):
    make_suite("one")
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = stepbench("run", "-M", "python:toy_generators:noise", "-t", "mini", "--executor", "ray")
    assert ended.code == 12
    assert "--executor ray needs Ray" in ended.err
    assert "pip install 'stepbench[ray]'" in ended.err


@needs_ray
@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("127.0.0.1:1", 12, "Ray cannot be reached at 127.0.0.1:1: ConnectionRefusedError"),
        ("ray://127.0.0.1:10001", 2, "--ray-address must be auto or HOST:PORT, got 'ray://127.0.0.1:10001'"),
        ("127.0.0.1:99999", 2, "--ray-address must be auto or HOST:PORT, got '127.0.0.1:99999'"),
        ("somewhere", 2, "--ray-address must be auto or HOST:PORT, got 'somewhere'"),
    ],
)
def test_a_cluster_that_does_not_answer(stepbench, make_suite, address, code, told):
    make_suite("one")
    run = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--executor", "ray"]
    ended = stepbench(*run, "--ray-address", address)
    assert ended.code == code
    assert told in ended.err


@needs_ray
def test_a_machine_that_is_too_busy_to_start_ray(stepbench, make_suite, monkeypatch):
    import ray

    def slow(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", slow)
    make_suite("one")
    ended = stepbench("run", "-M", "python:toy_generators:noise", "-t", "mini", "--executor", "ray")
    assert ended.code == 12
    assert "Ray cannot be reached at this machine: Exception: The current node timed out during startup." in ended.err


def test_a_complete_run_starts_no_ray(stepbench, make_suite, monkeypatch):
    make_suite("one")
    run = ["run", "-M", "python:toy_generators:noise", "-t", "mini", *SCORED, "--run-id", "r"]
    assert stepbench(*run).code == 0
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = stepbench(*run, "--executor", "ray", "--ray-address", "127.0.0.1:1")
    assert ended.code == 0, ended.err


def test_options_of_ray_without_ray_are_refused(stepbench, make_suite):
    make_suite("one")
    run = ["run", "-M", "python:toy_generators:noise", "-t", "mini"]
    for option in (["--ray-address", "auto"], ["--gpus-per-model", "2"]):
        ended = stepbench(*run, *option)
        assert ended.code == 2
        assert "are for --executor ray" in ended.err


@contextmanager
def cluster(nodes: int):
    """A Ray cluster on this machine: a head without a core, and so many nodes of one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        added = [made.add_node(num_cpus=1, wait=False) for _ in range(nodes)]
        made.wait_for_nodes()
        yield made, added
    finally:
        made.shutdown()


@contextmanager
def begun(run_id: str, log: Path, *arguments: str):
    """`python -m stepbench run` with Ray, as a user starts it."""
    run = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--run-id", run_id, "--workers", "2"]
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "stepbench", *run, *arguments], stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, process) -> None:
    while not condition():
        assert process.poll() is None, "it ended too early"
        time.sleep(0.005)


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize(
    ("journal", "samples", "options"),
    [
        ("samples.jsonl", 24, ["--seeds", "0..3", "--set", "sleep=0.2", *SCORED]),
        ("scores/flicker@1:native.jsonl", 180, ["--seeds", "0..29", *SCORED, "-m", "warping_error"]),
    ],
)
def test_a_node_that_is_killed_leaves_no_trace(make_suite, workplace, journal, samples, options):
    make_suite(*(f"prompt number {number}" for number in range(6)))
    run, log = workplace / "runs/ray", workplace / "log"
    with (
        cluster(nodes=2) as (made, nodes),
        begun("ray", log, *options, "--executor", "ray", "--ray-address", made.address) as by_ray,
    ):
        wait_for(lambda: lines(run / journal) >= 4, by_ray)
        made.remove_node(nodes[1], allow_graceful=False)
        assert lines(run / journal) < samples
        assert by_ray.wait(300) == 0, log.read_text(encoding="utf-8")
    with begun("local", log, *options) as local:
        assert local.wait(300) == 0
    same_run(run, workplace / "runs/local")


@pytest.mark.slow
@needs_ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_can_be_continued_anywhere(make_suite, workplace, number):
    make_suite("one", "two", "three", "four")
    run, log = workplace / "runs/ray", workplace / "log"
    options = ["--seeds", "0..3", "--set", "sleep=0.2", *SCORED]
    with begun("ray", log, *options, "--executor", "ray") as by_ray:
        wait_for(lambda: lines(run / "samples.jsonl") >= 4, by_ray)
        by_ray.send_signal(number)
        assert by_ray.wait(300) == (-number if number == signal.SIGKILL else 130)
    status = json.loads((run / "run.json").read_text(encoding="utf-8"))["status"]
    assert status == ("running" if number == signal.SIGKILL else "interrupted")
    for run_id in ("ray", "local"):
        with begun(run_id, log, *options) as local:
            assert local.wait(300) == 0
    same_run(run, workplace / "runs/local")
