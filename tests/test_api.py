"""`stepbench.run`, `score` and what they promise: stable names, references, one clip per text."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

import stepbench
from stepbench.api import default_run_id, plan, score
from stepbench.errors import NothingSelectedError, RunFolderError, UsageError
from stepbench.generators.protocol import Clip
from stepbench.generators.registry import make_generator
from stepbench.records import GeneratorCard
from stepbench.video import read_clip, write_master

NOISE = "python:toy_generators:noise"


class Grey:
    """A generator object: one even grey level per seed."""

    def __init__(self, level=0):
        self._level = level
        self.card = GeneratorCard(name=f"grey:{level}", revision="1")
        self.calls = 0

    def resolve(self, prompt, seed, settings):
        return dict(settings)

    def generate(self, request):
        self.calls += 1
        return Clip(frames=np.full((3, 3, 32, 32), self._level + 10 * request.seed, np.uint8), fps=8)


def value(run, metric, prompt_id="p1", seed=0):
    scores = run.scores()
    (row,) = scores[(scores.metric == metric) & (scores.prompt_id == prompt_id) & (scores.seed == seed)].to_dict(
        "records"
    )
    return row["value"]


def test_a_run_from_start_to_end(make_suite):
    run = stepbench.run(NOISE, make_suite("one", "two"), metrics=["flicker"], seeds=range(2))
    assert (run.info["status"], run.info["seeds"], run.info["n_planned"]) == ("complete", [0, 1], 4)
    assert run.generator_name == NOISE
    samples = run.samples()
    assert list(zip(samples["prompt_id"], samples["seed"], strict=True)) == [("p1", 0), ("p1", 1), ("p2", 0), ("p2", 1)]
    assert set(samples["outcome"]) == {"ok"}
    assert samples[["frames", "height", "width", "fps"]].drop_duplicates().values.tolist() == [[5, 32, 32, 8]]
    scores = run.scores()
    assert set(scores["status"]) == {"ok"}
    # The flicker of a clip is what its definition says, taken from the file that was kept.
    frames = read_clip(run.clip("p2", 1)).frames.astype(np.float64)
    assert value(run, "flicker", "p2", 1) == pytest.approx(np.abs(np.diff(frames, axis=0)).mean() / 255, rel=1e-6)
    (row,) = run.summary().to_dict("records")
    means = scores.groupby("prompt_id")["value"].mean()
    assert row["mean"] == pytest.approx(means.mean())
    assert (row["n_planned"], row["n_scored"], row["n_units"], row["coverage"]) == (4, 4, 2, 1.0)
    assert run.clip("p9", 0) is None


def test_the_default_name_is_stable_and_the_same_call_continues(make_suite):
    folder, generator = make_suite("one"), Grey()
    first = stepbench.run(generator, folder, metrics=[])
    again = stepbench.run(generator, folder, metrics=[])
    assert first.folder == again.folder
    assert generator.calls == 1
    planned = plan(generator, stepbench.load_suite(folder))
    assert first.name == default_run_id(planned, generator) == f"mini-grey-0-{planned.hash[:8]}"
    assert stepbench.run(generator, folder, metrics=[], seeds=[1]).folder != first.folder


@pytest.mark.parametrize("name", ["command:python 'x y' {prompt}", "python:模型:生成", "a" * 300])
def test_default_names_are_safe_whatever_the_generator_is_called(make_suite, name):
    generator = Grey()
    generator.card = GeneratorCard(name=name, revision="1")
    folder = default_run_id(plan(generator, stepbench.load_suite(make_suite("one"))), generator)
    assert folder.isascii()
    assert "/" not in folder
    assert " " not in folder
    assert len(folder) < 120


@pytest.mark.parametrize("run_id", ["", "../escape", "a/b", ".hidden", "a b"])
def test_unsafe_run_ids_are_refused(make_suite, run_id):
    with pytest.raises(UsageError, match="unsafe run id"):
        stepbench.run(Grey(), make_suite("one"), metrics=[], run_id=run_id)


def test_numpy_numbers_are_seeds_too(make_suite):
    run = stepbench.run(Grey(), make_suite("one"), metrics=[], seeds=np.arange(2))
    assert run.info["seeds"] == [0, 1]
    with pytest.raises(TypeError, match="float"):
        stepbench.run(Grey(), make_suite("one"), metrics=[], seeds=[0.5])


def test_selections_reach_the_plan(make_suite):
    folder = make_suite("one", "two", "three")
    run = stepbench.run(Grey(), folder, metrics=[], categories=["b"], languages=["en"], limit=1, run_id="r")
    assert run.samples()["prompt_id"].tolist() == ["p1"]


def test_two_prompts_with_one_text_share_a_clip_and_both_appear(make_suite, workplace):
    generator = Grey()
    run = stepbench.run(generator, make_suite("same", "other", "same"), metrics=["flicker"])
    samples = run.samples()
    assert generator.calls == 2
    assert samples["prompt_id"].tolist() == ["p1", "p2", "p3"]
    assert samples["clip"].tolist() == ["clips/p1-s0.mkv", "clips/p2-s0.mkv", "clips/p1-s0.mkv"]
    assert run.scores()["prompt_id"].tolist() == ["p1", "p2", "p3"]
    (row,) = run.summary().to_dict("records")
    assert (row["n_planned"], row["n_scored"]) == (3, 3)
    assert run.info["status"] == "complete"
    again = stepbench.run(generator, make_suite("same", "other", "same"), metrics=["flicker"])
    assert (generator.calls, again.info["status"]) == (2, "complete")


@pytest.fixture
def reference(make_suite):
    return stepbench.run(Grey(0), make_suite("one", "two"), metrics=[], seeds=range(2), run_id="reference")


def test_reference_metrics_pair_by_prompt_and_seed(make_suite, reference):
    run = stepbench.run(
        Grey(51), make_suite("one", "two"), metrics=["psnr", "flicker"], seeds=range(2), reference=reference.folder
    )
    # 51 of 255 levels apart everywhere: 10 log10(255^2 / 51^2) dB.
    assert value(run, "psnr", "p1", 0) == pytest.approx(20 * np.log10(5))
    assert value(run, "psnr", "p2", 1) == pytest.approx(20 * np.log10(5))
    (psnr,) = [metric_id for metric_id in run.metric_cards if metric_id.startswith("psnr")]
    assert psnr.startswith("psnr@1:native:ref-")
    assert "flicker@1:native" in run.metric_cards
    assert run.info["reference"]["run_id"] == "reference"
    assert psnr.removeprefix("psnr@1:native:ref-") == run.info["reference"]["hash"][:8]


def test_another_reference_is_another_metric(make_suite, reference):
    folder = make_suite("one", "two")
    other = stepbench.run(Grey(9), folder, metrics=[], seeds=range(2), run_id="other")
    for against in (reference, other):
        run = stepbench.run(Grey(51), folder, metrics=["psnr"], seeds=range(2), reference=against.folder, run_id="r")
    values = run.scores().groupby("metric_id")["value"].first()
    assert len(values) == 2
    assert sorted(values) == pytest.approx(sorted([20 * np.log10(5), 20 * np.log10(255 / 42)]))


def test_a_missing_reference_fails_that_row_by_name(make_suite, reference):
    run = stepbench.run(
        Grey(51), make_suite("one", "two", "three"), metrics=["psnr", "flicker"], reference=reference.folder
    )
    scores = run.scores()
    failed = scores[scores.status != "ok"]
    assert failed[["prompt_id", "metric"]].values.tolist() == [["p3", "psnr"]]
    assert "psnr needs a reference for every clip" in failed["error"].iloc[0]
    assert run.info["status"] == "incomplete"


def test_a_reference_clip_that_changed_or_vanished_fails_the_metrics_that_need_it(make_suite, reference):
    write_master(reference.clip("p1", 0), np.full((3, 3, 32, 32), 7, np.uint8), 8)
    reference.clip("p2", 0).unlink()
    run = stepbench.run(Grey(51), make_suite("one", "two"), metrics=["psnr", "flicker"], reference=reference.folder)
    scores = run.scores().set_index(["metric", "prompt_id"])
    assert scores.loc["flicker", "status"].tolist() == ["ok", "ok"]
    assert "reference clip: p1-s0.mkv changed since it was generated" in scores.loc[("psnr", "p1"), "error"]
    assert "reference clip: no video file at" in scores.loc[("psnr", "p2"), "error"]


def test_a_reference_of_another_size_fails_by_name(make_suite, reference):
    class Larger(Grey):
        def generate(self, request):
            return Clip(frames=np.zeros((3, 3, 48, 48), np.uint8), fps=8)

    run = stepbench.run(Larger(1), make_suite("one"), metrics=["psnr"], reference=reference.folder)
    assert "48" in run.scores()["error"].iloc[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metrics": ["psnr"]}, UsageError, "metric 'psnr' needs a reference clip per sample"),
        ({"metrics": ["shape_alignment"]}, UsageError, "shape_alignment"),
        ({"metrics": ["flickr"]}, UsageError, "no metric is called 'flickr'"),
        ({"metrics": [], "reference": "nowhere"}, RunFolderError, "nowhere is no run folder"),
        ({"metrics": [], "workers": 0}, UsageError, "workers must be at least 1"),
        ({"metrics": [], "shard": (5, 4)}, UsageError, "--shard must be i/N"),
        ({"metrics": [], "limit": 0}, NothingSelectedError, "no prompt of suite 'mini' is left"),
        ({"metrics": [], "settings": {"stesp": 1}}, UsageError, "has no setting 'stesp'"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(make_suite, workplace, options, error, message):
    with pytest.raises(error, match=message):
        stepbench.run(NOISE, make_suite("one"), **options)
    assert not (workplace / "runs").exists()


def test_a_run_without_clips_is_no_reference(make_suite):
    refusing = stepbench.run("python:toy_generators:obedient", make_suite("refuse"), metrics=[], run_id="empty")
    with pytest.raises(NothingSelectedError, match="the reference run runs/empty has no clip"):
        stepbench.run(Grey(), make_suite("one"), metrics=["psnr"], reference=refusing.folder)
    with pytest.raises(NothingSelectedError, match="runs/empty has no clip to score"):
        score(refusing, metrics=["flicker"])


def test_scoring_adds_metrics_and_makes_nothing(make_suite, reference):
    generator = Grey(51)
    run = stepbench.run(generator, make_suite("one", "two"), metrics=["flicker"], seeds=range(2))
    scored = score(run, metrics=["sharpness", "psnr"], reference=reference.folder)
    assert generator.calls == 4
    assert set(scored.scores()["metric"]) == {"flicker", "sharpness", "psnr"}
    assert scored.info["status"] == "complete"
    assert scored.info["reference"]["run_id"] == "reference"
    assert scored.summary()["metric"].tolist() == ["flicker", "sharpness", "psnr"]


def test_scores_are_kept_unless_they_are_to_be_recomputed(make_suite, workplace):
    run = stepbench.run(Grey(), make_suite("one"), metrics=["flicker", "sharpness"])
    journal = run.folder / "scores" / "flicker@1:native.jsonl"
    row = json.loads(journal.read_text(encoding="utf-8"))
    journal.write_text(json.dumps(row | {"value": 0.5}) + "\n", encoding="utf-8")
    assert value(score(run, metrics=["flicker"]), "flicker") == 0.5
    assert value(score(run, metrics=["flicker"], recompute=True), "flicker") == 0.0


def test_a_clip_made_anew_is_scored_anew(make_suite):
    class Changing(Grey):
        def generate(self, request):
            self.calls += 1
            rng = np.random.default_rng(self.calls)
            return Clip(frames=rng.integers(0, 256, (3, 3, 32, 32), np.uint8), fps=8)

    generator, folder = Changing(), make_suite("one")
    first = stepbench.run(generator, folder, metrics=["flicker"])
    before = value(first, "flicker")
    first.clip("p1", 0).unlink()
    second = stepbench.run(generator, folder, metrics=["flicker"])
    assert generator.calls == 2
    assert second.info["status"] == "complete"
    assert value(second, "flicker") != before


def test_the_threads_of_the_caller_are_left_as_they_were(make_suite):
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    try:
        seen = []

        class Watching(Grey):
            def generate(self, request):
                seen.append(torch.get_num_threads())
                return super().generate(request)

        stepbench.run(Watching(), make_suite("one"), metrics=["flicker"])
        assert (torch.get_num_threads(), cv2.getNumThreads(), seen) == (2, 2, [2])
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv2_threads)


def test_a_generator_may_be_its_spec_or_the_object(make_suite):
    folder = make_suite("one")
    by_spec = stepbench.run(NOISE, folder, metrics=[], out="a")
    by_object = stepbench.run(make_generator(NOISE), folder, metrics=[], out="b")
    assert by_spec.name == by_object.name
    assert by_spec.samples()["clip_sha256"].tolist() == by_object.samples()["clip_sha256"].tolist()
