"""Settings and places that do not go with several processes, and what a clip costs each of them."""

from __future__ import annotations

import pytest

from reference_model.parallel import ParallelConfig
from reference_model.training import distributed
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.registry import make_generator
from stepbench.generators.step_video_parallel import decodes_here, shared_placement
from stepbench.generators.step_video_ranks import spread
from stepbench.records import Prompt

PROMPT = Prompt(id="p", text="a red circle", language="en", category="x")


@pytest.fixture
def shared():
    made = make_generator("step-video:tiny")
    made.parallel = ParallelConfig(tensor=2, guidance=True)
    return made


def test_parallelism_is_no_setting(shared):
    alone = make_generator("step-video:tiny")
    assert shared.resolve(PROMPT, 0, {}) == alone.resolve(PROMPT, 0, {})
    assert shared.card == alone.card


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"guidance": 1.0},
            "--guidance-parallel needs a guidance above 1, got 1\n  hint: leave --guidance-parallel out",
        ),
        ({"fp8": True}, "which --tensor-parallel 2 cuts\n  hint: leave one of the two out"),
    ],
)
def test_settings_that_cannot_be_shared_are_refused(shared, settings, message):
    with pytest.raises(UsageError, match=message):
        shared.resolve(PROMPT, 0, settings)
    alone = make_generator("step-video:tiny")
    resolved = alone.resolve(PROMPT, 0, settings)
    with pytest.raises(UsageError, match=message):
        alone.estimate(resolved, parallel=shared.parallel)


def test_offload_does_not_go_with_several_processes(monkeypatch):
    monkeypatch.delenv("STEPBENCH_STEP_VIDEO_OFFLOAD", raising=False)
    assert shared_placement("cpu").device == "cpu"
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_OFFLOAD", "stages")
    with pytest.raises(EnvironmentUnfitError, match="OFFLOAD=stages does not go with several processes"):
        shared_placement("cpu")


def test_the_vae_of_another_process_is_asked_once(monkeypatch):
    plan, url = ParallelConfig(ulysses=2), {"vae_url": "http://localhost:1"}
    for rank, everybody, alone in (("0", True, True), ("1", True, False)):
        monkeypatch.setenv("RANK", rank)
        assert decodes_here(plan, {}) is everybody
        assert decodes_here(plan, url) is alone
        assert decodes_here(ParallelConfig(ulysses=2, vae=False), {}) is alone


def test_more_processes_than_gpus_are_refused(monkeypatch):
    def start(*_, **__):
        raise distributed.ConfigError("every process needs a GPU of its own", hint="start fewer")

    monkeypatch.setattr(distributed, "start", start)
    with pytest.raises(EnvironmentUnfitError, match="tiny: every process needs a GPU of its own\n  hint: start fewer"):
        spread("step-video:tiny", ParallelConfig(ulysses=2), started=2)


def test_a_clip_costs_each_device_less(stepbench):
    asked = ["generate", "a red circle", "-M", "step-video:tiny", "--dry-run", "--tflops", 1]
    plain = stepbench(*asked, "--json").records()[0]
    assert plain["parallel"] is None
    (record,) = stepbench(*asked, "--json", "--ulysses", 2, "--tensor-parallel", 2, "--bandwidth", 10).records()
    shared = record["parallel"]
    assert (shared["plan"], shared["processes"]) == ("guidance 1 x ulysses 2 x tensor 2", 4)
    assert shared["peak_bytes"] < plain["peak_bytes"]
    assert shared["seconds_per_step"] < plain["flops_per_step"] / 1e12
    assert set(shared["received_bytes_per_step"]) == {"tensor", "ulysses", "ulysses output"}
    ended = stepbench(*asked, "--guidance-parallel")
    assert "on 2 devices, guidance 2 x ulysses 1 x tensor 1:\n  peak memory of each: " in ended.out
    assert "each receives" in ended.out
    assert "time: unknown" in stepbench(*asked[:-2], "--guidance-parallel").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ulysses", 3], "ulysses x tensor must divide the 4 attention heads, got 3 x 1"),
        (["--ulysses", 2, "--bandwidth", 0], "--bandwidth must be a number above 0, got 0"),
    ],
)
def test_what_no_device_can_do_has_no_cost(stepbench, options, message):
    ended = stepbench("generate", "a red circle", "-M", "step-video:tiny", "--dry-run", *options)
    assert ended.code == 2
    assert message in ended.err


def test_workers_do_not_go_with_ranks(stepbench, monkeypatch):
    monkeypatch.setattr("stepbench.cli.run.on_all_ranks", lambda spec, _, work: work(make_generator(spec)))
    ended = stepbench("run", "-M", "step-video:tiny", "-t", "moving-shapes", "--ulysses", 2, "--workers", 2)
    assert ended.code == 2
    assert "--workers, --timeout and Ray do not go with it" in ended.err
