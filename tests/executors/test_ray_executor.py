"""The Ray executor on one machine: the same results, and a task whose worker is lost goes to another."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stepbench.errors import EnvironmentUnfitError, IncompleteError, UsageError
from stepbench.executors import ray_crew
from stepbench.executors.choose import open_executor
from stepbench.executors.protocol import Lost, Stage
from stepbench.executors.ray import Cluster, RayExecutor
from stepbench.executors.ray_actors import Outfit
from stepbench.executors.ray_worker import Place

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def connection():
    """Ray in this process, with GPUs that are there by name only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{DATA.parents[1]}{os.pathsep}{DATA}")
        ray.init(num_cpus=3, num_gpus=4, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.fixture
def toys(workplace, connection):
    import toy_workers

    return toy_workers


@pytest.fixture
def executor(workplace, connection):
    return executor_of(connection, workplace)


def executor_of(connection, workplace, *, workers=2, ranks=1, gpus=0.0):
    cluster = Cluster(connection, {Stage.GENERATE: Outfit(gpus, ranks), Stage.SCORE: Outfit()})
    return RayExecutor(workers, workplace, lambda: cluster)


def results(executor, make_worker, tasks, **options):
    return dict(executor.run_tasks(make_worker, tasks, stage=Stage.GENERATE, **options))


def test_results_are_those_of_the_local_executor(toys, executor, workplace):
    tasks = [*range(10), "raise"]
    assert results(executor, toys.make_square, tasks) == {
        **{number: number * number for number in range(10)},
        "raise": Lost("ValueError: bad task"),
    }
    assert results(executor, toys.make_square, []) == {}
    assert list(workplace.iterdir()) == []


def test_a_task_whose_worker_is_lost_goes_to_another(toys, executor, workplace):
    tasks = [1, (workplace / "once", 1), 2]
    assert results(executor, toys.make_square, tasks) == {1: 1, tasks[1]: 2, 2: 4}


def test_a_task_that_ends_every_worker_is_given_up(toys, executor, workplace):
    deadly = (workplace / "always", 99)
    found = results(executor, toys.make_square, [1, deadly, 2])
    assert found == {1: 1, 2: 4, deadly: Lost("3 workers were lost over it; the last: its process died")}
    assert len((workplace / "always").read_text(encoding="utf-8")) == ray_crew.TRIES


def test_an_answer_that_cannot_be_sent_is_lost_alone(toys, executor):
    found = results(executor, toys.make_square, ["lock", 5])
    assert found[5] == 25
    assert "cannot pickle '_thread.lock' object" in found["lock"].reason


def test_a_task_over_the_limit_is_ended(toys, executor, monkeypatch):
    monkeypatch.setattr(ray_crew, "GRACE_SECONDS", 0.0)
    assert results(executor, toys.make_square, ["hang", 3], timeout=2.0) == {"hang": Lost("timed out after 2 s"), 3: 9}


def test_the_error_of_a_worker_that_cannot_be_built_ends_the_work(toys, executor):
    with pytest.raises(UsageError, match="no such model") as caught:
        results(executor, toys.make_with_own_error, [1, 2])
    assert caught.value.hint == "name another"
    with pytest.raises(EnvironmentUnfitError, match="a worker cannot be built: RuntimeError: weights are damaged"):
        results(executor, toys.make_broken, [1, 2])
    with pytest.raises(EnvironmentUnfitError, match="Ray workers do not start: its process died"):
        results(executor, toys.make_dying, [1, 2])


def test_a_worker_that_cannot_be_sent_ends_the_work(toys, executor, workplace, monkeypatch):
    monkeypatch.syspath_prepend(str(workplace))
    (workplace / "only_here.py").write_text("def make():\n    return abs\n", encoding="utf-8")
    import only_here

    (workplace / "only_here.py").unlink()
    with pytest.raises(EnvironmentUnfitError, match=r"No module named 'only_here'\n  hint"):
        results(executor, only_here.make, [1])


def test_workers_hold_the_gpus_of_their_stage(toys, workplace, connection):
    options = {"workers": 2, "folder": workplace, "gpus_per_model": 2, "device": "cuda"}
    with open_executor("ray", **options) as opened:
        ((_, two),) = opened.run_tasks(toys.make_square, ["gpus"], stage=Stage.GENERATE)
        ((_, one),) = opened.run_tasks(toys.make_square, ["gpus"], stage=Stage.SCORE)
    assert (len(two.split(",")), len(one.split(","))) == (2, 1)
    with open_executor("ray", folder=workplace, device="cuda", gpus_per_scorer=0.1) as opened:
        assert opened.cluster().outfits[Stage.SCORE] == Outfit(0.1)
    with open_executor("ray", folder=workplace) as opened:
        assert opened.cluster().outfits == {Stage.GENERATE: Outfit(1.0), Stage.SCORE: Outfit()}
        assert opened.cluster() is opened.cluster()
    # A connection that was there before is left alone.
    assert connection.is_initialized()


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"name": "ray", "gpus_per_model": 8}, EnvironmentUnfitError, "generate needs 8 GPUs of one machine; none has"),
        ({"name": "ray", "ranks": 8}, EnvironmentUnfitError, "generate needs 8 GPUs of one machine; none has"),
        ({"name": "ray", "ranks": 4, "gpus_per_model": 0}, EnvironmentUnfitError, "of 4 processes needs as many cores"),
        ({"name": "ray", "ranks": 2, "gpus_per_model": 4}, UsageError, "take 2 processes of one GPU each, got --gpus"),
        (
            {"name": "ray", "gpus_per_scorer": 1.5},
            UsageError,
            "--gpus-per-scorer must be above 0 and at most 1, got 1.5",
        ),
        ({"name": "local", "gpus_per_scorer": 0.5}, UsageError, "are for --executor ray"),
        ({"name": "local", "ranks": 2}, UsageError, "2 processes that share every clip are started by torchrun or by"),
        ({"name": "ray", "gpus_per_model": -1}, UsageError, "--gpus-per-model must be at least 0, got -1"),
        ({"name": "ray", "device": "cuda:1"}, UsageError, "cannot be chosen by number, got 'cuda:1'"),
        ({"name": "ray", "workers": 0}, UsageError, "workers must be at least 1, got 0"),
        ({"name": "dask"}, UsageError, "an executor is local or ray, got 'dask'"),
        ({"name": "local", "address": "auto"}, UsageError, "are for --executor ray"),
    ],
)
def test_impossible_options_are_refused(workplace, connection, options, error, told):
    with pytest.raises(error, match=told), open_executor(folder=workplace, **options) as opened:
        opened.cluster()


def test_a_run_folder_that_cannot_be_written_is_named(toys, executor, workplace):
    gone = replace(executor, folder=workplace / "gone")
    with pytest.raises(IncompleteError, match=r"cannot save .*seen-by-ray"):
        results(gone, toys.make_square, [1])


def test_a_machine_that_does_not_see_the_folders_is_named(workplace, monkeypatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", "here")
    place = Place.here(workplace / "runs" / "r" / "mark")
    assert place.environment == {"STEPBENCH_WEIGHTS": "here"}
    with pytest.raises(EnvironmentUnfitError, match="does not see the run folder"):
        place.enter()
    place.mark.parent.mkdir(parents=True)
    # A folder of the same name on another disk.
    with pytest.raises(EnvironmentUnfitError, match="does not see the run folder"):
        place.enter()
    place.mark.touch()
    place.enter()
    elsewhere = Place(folder=workplace / "gone", environment={}, mark=place.mark)
    with pytest.raises(EnvironmentUnfitError, match="does not see the current folder"):
        elsewhere.enter()


@pytest.mark.parametrize(
    ("error", "out_of_memory", "told"),
    [
        (ray.exceptions.OutOfMemoryError("memory"), True, "its process died"),
        (ray.exceptions.RayActorError(), False, "its process died"),
        (ray.exceptions.NodeDiedError("gone"), False, "its machine is gone"),
    ],
)
def test_why_a_worker_was_lost(error, out_of_memory, told):
    assert ray_crew._is_out_of_memory(error) is out_of_memory
    assert ray_crew._reason(error) == told


def test_memory_that_gave_out_is_not_tried_again(connection, workplace):
    crew = ray_crew.Crew(connection, abs, Place.here(workplace), outfit=Outfit(), timeout=None)
    lost = list(crew._lost(ray_crew._Given("task"), connection.exceptions.OutOfMemoryError("memory")))
    assert lost == [("task", Lost(ray_crew.OUT_OF_MEMORY))]
    assert not crew._waiting


def test_closing_ends_the_actors(toys, executor, connection):
    work = executor.run_tasks(toys.make_square, ["hang", 3], stage=Stage.GENERATE)
    assert next(work) == (3, 9)
    work.close()


def test_nothing_to_do_connects_to_nothing(toys, workplace):
    def never():
        raise AssertionError("Ray was started")

    assert results(RayExecutor(2, workplace, never), toys.make_square, []) == {}


def test_ranks_share_a_machine_and_see_all_its_gpus(toys, connection, workplace):
    group = executor_of(connection, workplace, workers=1, ranks=2, gpus=2.0)
    ((_, told),) = results(group, toys.make_rank, ["environment"]).items()
    assert (told["RANK"], told["LOCAL_RANK"], told["WORLD_SIZE"], told["MASTER_ADDR"]) == ("0", "0", "2", "127.0.0.1")
    assert 0 < int(told["MASTER_PORT"]) < 2**16
    assert len(set(told["CUDA_VISIBLE_DEVICES"].split(","))) == 2


@pytest.mark.slow
def test_a_group_of_which_a_rank_is_lost_is_replaced_and_its_task_tried_again(toys, connection, workplace):
    group = executor_of(connection, workplace, workers=1, ranks=2)
    (workplace / "die").touch()
    assert results(group, toys.make_rank, ["sum", "broken"]) == {"sum": 1, "broken": Lost("rank 0 says so")}
    assert not (workplace / "die").exists()
    while connection.available_resources().get("CPU") != 3:  # their places are free again
        time.sleep(0.1)


@pytest.mark.slow
def test_what_a_rank_says_is_why_its_task_failed(toys, connection, workplace, monkeypatch):
    monkeypatch.setattr("stepbench.executors.ray_actors.VERDICT_SECONDS", 0.5)
    group = executor_of(connection, workplace, workers=1, ranks=2)
    (workplace / "raise").touch()
    assert results(group, toys.make_rank, ["hang"]) == {"hang": Lost("rank 1: ValueError: bad weights")}


@pytest.mark.slow
def test_a_rank_that_cannot_be_built_ends_the_work(toys, connection, workplace, monkeypatch):
    monkeypatch.setattr("stepbench.executors.ray_actors.VERDICT_SECONDS", 0.5)
    group = executor_of(connection, workplace, workers=1, ranks=2)
    (workplace / "unfit").touch()
    with pytest.raises(UsageError, match="rank 1 has no such model"):
        results(group, toys.make_rank, ["sum"])
