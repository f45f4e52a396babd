"""Every planned sample has an outcome, every made clip a row per metric, and the denominator is the plan."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest
from run_files import clip_bytes, final_bytes

from stepbench import open_run
from stepbench.errors import UsageError
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard
from stepbench.video import read_clip, write_master

OBEDIENT = ["run", "-M", "python:toy_generators:obedient", "-t", "mini", "--run-id", "r"]
NOISE = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "--run-id", "r"]


def outcomes(run="runs/r"):
    rows = open_run(run).samples().to_dict("records")
    return {row["prompt_id"]: (row["outcome"], row["error"] if isinstance(row["error"], str) else None) for row in rows}


def only(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    (row,) = frame.to_dict("records")
    return row


def test_refusals_are_results_and_failures_are_gaps(stepbench, make_suite):
    make_suite("fine", "refuse it", "fail it", "fine too")
    ended = stepbench(*OBEDIENT, "-m", "flicker")
    assert ended.code == 3
    assert "4 planned, 2 ok, 1 failed, 1 refused, 0 missing" in ended.err
    assert "p3 seed 0: RuntimeError: no luck" in ended.err
    assert outcomes()["p2"] == ("refused", "not this one")
    run = open_run("runs/r")
    assert run.info["status"] == "incomplete"
    row = only(run.summary(), metric="flicker")
    assert [row[name] for name in ("n_planned", "n_scored", "n_failed", "n_refused")] == [4, 2, 1, 1]
    assert row["coverage"] == 0.5
    by_category = run.read_summary()["metrics"][0]["by_category"]
    assert {name: group["n_planned"] for name, group in by_category.items()} == {"a": 2, "b": 2}
    assert by_category["a"]["coverage"] == 0.5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_generator_that_leaves_the_program_fails_its_sample_alone(stepbench, make_suite, workers):
    make_suite("fine", "leave it", "fine too")
    assert stepbench(*OBEDIENT, "-m", "flicker", "--workers", workers).code == 3
    assert outcomes() == {"p1": ("ok", None), "p2": ("failed", "SystemExit: 0"), "p3": ("ok", None)}


def test_refusals_alone_leave_a_run_complete(stepbench, make_suite):
    make_suite("fine", "refuse it")
    assert stepbench(*OBEDIENT, "-m", "flicker").code == 0
    assert open_run("runs/r").info["status"] == "complete"
    assert only(open_run("runs/r").summary(), metric="flicker")["coverage"] == 0.5


def test_only_failed_samples_are_tried_again(stepbench, make_suite, monkeypatch):
    make_suite("fine", "refuse it", "fail it")
    assert stepbench(*OBEDIENT, "-m", "flicker").code == 3
    monkeypatch.setenv("TOY_MENDED", "1")
    assert stepbench(*OBEDIENT, "-m", "flicker").code == 0
    samples = open_run("runs/r").samples()
    assert dict(zip(samples["prompt_id"], samples["attempt"], strict=True)) == {"p1": 1, "p2": 1, "p3": 2}
    assert dict(zip(samples["prompt_id"], samples["outcome"], strict=True)) == {"p1": "ok", "p2": "refused", "p3": "ok"}


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("floats", "a clip must be uint8 (time, 3, height, width) with at least one frame, got float64 (5, 3, 32, 32)"),
        (
            "channels-last",
            "a clip must be uint8 (time, 3, height, width) with at least one frame, got uint8 (5, 32, 32, 3)",
        ),
        ("empty", "a clip must be uint8 (time, 3, height, width) with at least one frame, got uint8 (0, 3, 32, 32)"),
        ("nothing", "a clip must be uint8 (time, 3, height, width) with at least one frame, got object ()"),
        ("fail", "RuntimeError: no luck"),
    ],
)
def test_unusable_answers_are_failed_rows(stepbench, make_suite, word, error):
    make_suite(word, "fine")
    assert stepbench(*OBEDIENT, "--no-score").code == 3
    assert outcomes() == {"p1": ("failed", error), "p2": ("ok", None)}


def test_a_crash_or_a_hang_costs_one_sample(stepbench, make_suite):
    make_suite("fine", "crash now", "exit now", "hang now", "fine too", "and this", "and that")
    assert stepbench(*OBEDIENT, "--no-score", "--workers", "2", "--timeout", "1").code == 3
    found = outcomes()
    assert found["p2"] == ("failed", "worker killed by SIGKILL")
    assert found["p3"] == ("failed", "worker exited with 3")
    assert found["p4"] == ("failed", "timed out after 1 s")
    assert [found[f"p{number}"][0] for number in (1, 5, 6, 7)] == ["ok"] * 4


class Odd:
    """A generator object that answers with whatever it was made with."""

    card = GeneratorCard(name="odd", revision="1")

    def __init__(self, answer):
        self._answer = answer

    def resolve(self, prompt, seed, settings):
        return dict(settings)

    def generate(self, request):
        return self._answer(request) if callable(self._answer) else self._answer


FRAMES = np.zeros((2, 3, 16, 16), dtype=np.uint8)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Clip(frames=FRAMES), "the generator returned frames without fps"),
        (Clip(frames=FRAMES, fps=0), "fps must be above 0 and finite, got 0"),
        (Clip(frames=FRAMES, fps=float("nan")), "fps must be above 0 and finite, got nan"),
        (Clip(), "the generator returned neither frames nor a path"),
        (None, "a generator must return a Clip, got NoneType"),
        (Clip(frames=FRAMES, fps=8, seconds={"denoise": float("nan")}), "the generator's seconds must be finite"),
        (Clip(frames=FRAMES, fps=8, measures={"bits": float("inf")}), "the generator's measures must be finite"),
        (lambda request: Clip(path=request.output_dir / "absent.mp4"), "no video file at"),
    ],
)
def test_broken_generators_are_failed_rows(make_suite, answer, error):
    import stepbench

    run = stepbench.run(Odd(answer), make_suite("one"), metrics=[], run_id="r")
    assert run.info["status"] == "incomplete"
    (row,) = run.samples().to_dict("records")
    assert row["outcome"] == "failed"
    assert error in row["error"]


def test_error_texts_may_hold_any_file_name(make_suite):
    import stepbench

    def fail(request):
        raise FileNotFoundError("no model at m\udce4rchen.bin")

    run = stepbench.run(Odd(fail), make_suite("one"), metrics=[], run_id="r")
    assert "no model at m?rchen.bin" in run.samples()["error"].iloc[0]


def write_mpeg4(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for level in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_delivered_file_is_the_master_byte_for_byte(make_suite, workplace):
    import stepbench

    delivered = workplace / "made.mp4"
    write_mpeg4(delivered)
    run = stepbench.run(Odd(Clip(path=delivered)), make_suite("one"), metrics=["flicker"], run_id="r")
    (row,) = run.samples().to_dict("records")
    assert (run.folder / row["clip"]).read_bytes() == delivered.read_bytes()
    assert row["clip"] == "clips/p1-s0.mp4"
    assert row["preview"] == "clips/p1-s0.preview.mp4"
    assert run.info["status"] == "complete"
    assert delivered.is_file()


def test_a_master_that_changed_on_disk_is_not_scored(stepbench, make_suite, workplace):
    make_suite("one", "two")
    assert stepbench(*NOISE, "--no-score").code == 0
    master = workplace / "runs/r/clips/p1-s0.mkv"
    frames = read_clip(master).frames
    write_master(master, 255 - frames, 8)
    ended = stepbench("score", "runs/r", "-m", "flicker")
    assert ended.code == 3
    assert "p1 seed 0: flicker: p1-s0.mkv changed since it was generated" in ended.err
    assert only(open_run("runs/r").summary(), metric="flicker")["n_scored"] == 1
    master.write_bytes(b"")
    assert "p1-s0.mkv changed since it was generated" in stepbench("score", "runs/r", "-m", "flicker").err
    # Deleting it and running again makes it anew, and its score with it.
    master.unlink()
    assert "no video file at" in stepbench("score", "runs/r", "-m", "flicker").err
    assert stepbench(*NOISE, "-m", "flicker").code == 0
    assert open_run("runs/r").samples()["attempt"].tolist() == [2, 1]


def test_keep_previews_drops_masters_once_they_are_scored(stepbench, make_suite, workplace):
    make_suite("one", "two")
    run = workplace / "runs/r"
    assert stepbench(*NOISE, "--no-score", "--keep", "previews").code == 0
    assert set(clip_bytes(run)) == {"p1-s0.mkv", "p1-s0.mp4", "p2-s0.mkv", "p2-s0.mp4"}
    assert stepbench(*NOISE, "-m", "flicker", "--keep", "previews").code == 0
    assert set(clip_bytes(run)) == {"p1-s0.mp4", "p2-s0.mp4"}
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["master_dropped"] for row in rows] == [True, True]
    before = final_bytes(run)
    assert stepbench(*NOISE, "-m", "flicker", "--keep", "previews").code == 0
    assert final_bytes(run) == before
    assert stepbench("validate", run).code == 0
    # A further metric has nothing left to look at, and says so.
    ended = stepbench("score", run, "-m", "sharpness")
    assert ended.code == 3
    assert "the master was dropped after scoring" in ended.err
    scores = open_run(run).scores()
    assert set(scores[scores["metric"] == "sharpness"]["status"]) == {"unavailable"}


def test_a_master_without_a_score_is_kept(stepbench, make_suite, workplace):
    make_suite("one", "two")
    assert stepbench(*NOISE, "--no-score").code == 0
    master = workplace / "runs/r/clips/p1-s0.mkv"
    write_master(master, 255 - read_clip(master).frames, 8)
    assert stepbench(*NOISE, "-m", "flicker", "--keep", "previews").code == 3
    assert set(clip_bytes(workplace / "runs/r")) == {"p1-s0.mkv", "p1-s0.mp4", "p2-s0.mp4"}


def test_keep_masters_makes_no_previews_and_never_loses_its_only_file(stepbench, make_suite, workplace):
    make_suite("one")
    run = workplace / "runs/r"
    assert stepbench(*NOISE, "--no-score", "--keep", "masters").code == 0
    assert set(clip_bytes(run)) == {"p1-s0.mkv"}
    assert open_run(run).samples()["preview"].isna().all()
    assert stepbench(*NOISE, "-m", "flicker", "--keep", "previews").code == 0
    assert set(clip_bytes(run)) == {"p1-s0.mkv"}


def test_seconds_and_memory_of_each_sample_are_recorded(stepbench, make_suite, workplace):
    make_suite("one", "two", "three")
    assert stepbench(*NOISE, "--no-score", "--set", "sleep=0.02").code == 0
    text = (workplace / "runs/r/samples.jsonl").read_text(encoding="utf-8")
    for row in map(json.loads, text.splitlines()):
        assert 0.02 <= row["seconds"]["generate"] <= row["seconds"]["total"]
        assert row["seconds"]["store"] <= row["seconds"]["total"]
        assert row["peak_memory_bytes"] > 1_000_000
    totals = open_run("runs/r").samples()["seconds_total"]
    assert totals.max() < totals.sum() * 0.8  # each sample's own time, not the time since the start


def test_impossible_numbers_of_workers_are_refused(make_suite):
    import stepbench

    with pytest.raises(UsageError, match="workers must be at least 1, got 0"):
        stepbench.run("python:toy_generators:noise", make_suite("one"), metrics=[], workers=0)
    with pytest.raises(UsageError, match="a time limit must be above 0 seconds, got 0"):
        stepbench.run("python:toy_generators:noise", make_suite("one"), metrics=[], timeout=0)
    with pytest.raises(UsageError, match="a generator object works in this process only"):
        stepbench.run(Odd(None), make_suite("one"), metrics=[], workers=2)
