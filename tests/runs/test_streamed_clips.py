"""Generators that hand over frames piece by piece: same rows, same bytes, no trace of a clip that broke off."""

from __future__ import annotations

import json
import time
import tracemalloc

import numpy as np
import pytest
from run_files import clip_bytes

import stepbench
from stepbench.errors import IncompleteError, Refused
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard
from stepbench.runs.sample_worker import SampleTask, make_sample
from stepbench.runs.store_clip import write_frames
from stepbench.video import master_writer, write_master

FRAMES = np.random.default_rng(0).integers(0, 256, (11, 3, 24, 33), dtype=np.uint8)


def pieces(frames=FRAMES, size=4):
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


class Maker:
    """A generator object that makes its clip anew for every request."""

    card = GeneratorCard(name="maker", revision="1")

    def __init__(self, make):
        self._make = make

    def resolve(self, prompt, seed, settings):
        return dict(settings)

    def generate(self, request):
        return self._make()


def run(make, suite, run_id):
    return stepbench.run(Maker(make), suite, metrics=[], run_id=run_id)


def rows_of(run):
    return [json.loads(line) for line in (run.folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("form", [pieces, lambda: list(pieces()), lambda: iter([FRAMES[:1], FRAMES[1:]])])
def test_pieces_and_one_array_give_the_same_row_and_files(make_suite, form):
    suite = make_suite("one")
    measures = {"size": 3.0}
    whole = run(lambda: Clip(frames=FRAMES, fps=8, measures=measures), suite, "whole")
    cut = run(lambda: Clip(frames=form(), fps=8, measures=measures), suite, "cut")
    (expected,), (row,) = rows_of(whole), rows_of(cut)
    timed = ("seconds", "peak_memory_bytes")
    for one in (row, expected):
        one.pop("joules"), one.pop("joules_from", None)
    assert [row.pop(name).keys() if name == "seconds" else row.pop(name) > 0 for name in timed] == [
        expected.pop(name).keys() if name == "seconds" else expected.pop(name) > 0 for name in timed
    ]
    assert row == expected
    assert (row["frames"], row["height"], row["width"], row["measures"]) == (11, 24, 33, measures)
    assert clip_bytes(cut.folder) == clip_bytes(whole.folder)


def test_facts_may_be_filled_in_until_the_last_piece(make_suite):
    seconds, measures = {"denoise": 1.0}, {}

    def work():
        for number, piece in enumerate(pieces()):
            time.sleep(0.02)
            seconds["vae_decode"] = 0.5 * (number + 1)
            yield piece
        measures["pieces"] = 3.0

    facts = {"seconds": seconds, "measures": measures, "peak_memory_bytes": lambda: 5 + 2 * len(measures)}
    (row,) = rows_of(run(lambda: Clip(frames=work(), fps=8, **facts), make_suite("one"), "r"))
    assert (row["seconds"]["denoise"], row["seconds"]["vae_decode"], row["measures"]) == (1.0, 1.5, {"pieces": 3.0})
    assert row["peak_memory_bytes"] == 7
    # Making frames is generating them, whenever it happens.
    assert row["seconds"]["generate"] >= 0.06
    assert row["seconds"]["store"] == pytest.approx(row["seconds"]["total"] - row["seconds"]["generate"])


def broken(error):
    yield from pieces(FRAMES[:8])
    raise error


@pytest.mark.parametrize(
    ("error", "outcome", "text"),
    [
        (RuntimeError("no luck"), "failed", "RuntimeError: no luck"),
        (Refused("not this one"), "refused", "not this one"),
        # An error of the model, although errors of this kind also come from full disks.
        (OSError(28, "No space left on device"), "failed", "OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_clip_that_breaks_off_is_a_row_and_no_file(make_suite, error, outcome, text):
    made = run(lambda: Clip(frames=broken(error), fps=8), make_suite("one"), "r")
    (row,) = made.samples().to_dict("records")
    assert (row["outcome"], row["error"]) == (outcome, text)
    assert not list((made.folder / "clips").iterdir())


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        (iter(()), "with at least one frame, got none"),
        (iter([FRAMES, FRAMES[:, :, :8]]), "frame 11 is 33x8, the first is 33x24"),
        (iter([FRAMES[0]]), "got uint8 (3, 24, 33)"),
        ("words", "got str"),
        (3, "TypeError: 'int' object is not iterable"),
    ],
)
def test_pieces_that_make_up_no_clip_are_failed_rows(make_suite, frames, error):
    made = run(lambda: Clip(frames=frames, fps=8), make_suite("one"), "r")
    (row,) = made.samples().to_dict("records")
    assert row["outcome"] == "failed"
    assert error in row["error"]
    assert not list((made.folder / "clips").iterdir())


def test_what_a_maker_holds_is_let_go_when_writing_fails(tmp_path):
    ended = []

    def work():
        try:
            yield FRAMES
            yield FRAMES
        finally:
            ended.append(True)

    with pytest.raises(IncompleteError, match=r"cannot save .*clip\.mkv"):
        write_frames(work(), [master_writer(tmp_path / "nowhere" / "clip.mkv", 8)], tmp_path / "clip.mkv")
    assert ended == [True]


def peak_bytes(make, tmp_path):
    task = SampleTask(key="k", prompt_id="p", text="x", seed=0, settings={}, attempt=1)
    tracemalloc.start()
    made = make_sample(Maker(make), tmp_path, ".tmp-", "both", None, task)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made.row["outcome"] == "ok"
    return peak


def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path):
    piece = np.zeros((4, 3, 128, 128), dtype=np.uint8)

    def clip(count):
        return Clip(frames=(piece + number for number in range(count)), fps=8)

    peak_bytes(lambda: clip(1), tmp_path)  # imports
    short, long = (peak_bytes(lambda count=count: clip(count), tmp_path) for count in (4, 60))
    assert long < short + piece.nbytes
    # The same for a file that a program or a folder delivers.
    write_master(tmp_path / "long.mkv", np.concatenate([piece] * 60), 8)
    assert peak_bytes(lambda: Clip(path=tmp_path / "long.mkv"), tmp_path) < 30 * piece.nbytes
    assert peak_bytes(lambda: Clip(frames=np.concatenate([piece] * 60), fps=8), tmp_path) > 60 * piece.nbytes
