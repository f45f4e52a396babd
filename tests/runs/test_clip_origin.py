"""Where a clip comes from, in the clip: read back from the file, equal however it was made, hidden from annotators."""

from __future__ import annotations

import hashlib
import json

import av
import numpy as np
import pytest
from run_files import clip_bytes

import stepbench
from stepbench.board import build_board, open_board
from stepbench.errors import NothingSelectedError
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard
from stepbench.runs.clip_lookup import describe_clip
from stepbench.runs.clip_origin import origin_text, read_origin
from stepbench.runs.plan import plan_name, sample_key
from stepbench.video import preview_writer, read_clip, tags_of, write_master

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)


class Painter:
    card = GeneratorCard(name="secret-model: 9/x", revision="r1", weights_hash="abc123")

    def __init__(self, file=None):
        self._file = file

    def resolve(self, prompt, seed, settings):
        return {"guidance": 2.5, "negative_prompt": "blurry", **settings}

    def generate(self, request):
        return Clip(path=self._file) if self._file else Clip(frames=FRAMES, fps=8)


def make(suite, run_id=None, generator=None, **options):
    return stepbench.run(generator or Painter(), suite, metrics=[], run_id=run_id, **options)


def test_the_file_says_what_the_run_recorded(make_suite):
    run = make(make_suite("a fox", "a dog"), seeds=[3])
    sample = run.samples().iloc[1]
    told = read_origin(run.folder / sample["clip"])
    # The independent reader: what any other tool finds in the container.
    with av.open(str(run.folder / sample["clip"])) as container:
        assert json.loads(container.metadata["COMMENT"]) == told
    assert told == {
        "stepbench_clip": 1,
        "stepbench": stepbench.__version__,
        "run": run.name,
        "sample_key": sample.sample_key,
        "generator": {"name": "secret-model: 9/x", "revision": "r1", "weights_hash": "abc123"},
        "prompt_sha256": hashlib.sha256(b"a dog").hexdigest(),
        "seed": 3,
        "settings": {"guidance": 2.5, "negative_prompt": "blurry"},
    }
    # What it says is enough, with the prompt, to derive the key again.
    assert sample_key(told["generator"], "a dog", told["seed"], told["settings"]) == told["sample_key"]
    assert np.array_equal(read_clip(run.folder / sample["clip"]).frames, FRAMES)


def test_bytes_do_not_depend_on_the_name_of_the_run_nor_on_shards(make_suite):
    suite = make_suite("a fox", "a dog", "a cow")
    whole = make(suite)
    for part in (2, 1):
        parts = make(suite, "other", shard=(part, 2))
    assert clip_bytes(parts.folder) == clip_bytes(whole.folder)
    assert read_origin(parts.folder / "clips/p1-s0.mkv")["run"] == whole.name
    assert whole.name == plan_name("mini", "secret-model: 9/x", whole.info["plan_hash"])


def test_previews_and_the_board_do_not_say_who_made_a_clip(make_suite, tmp_path):
    delivered = tmp_path / "delivered.mp4"
    with preview_writer(delivered, 8, comment="made by secret-model") as writer:
        writer.write(FRAMES)
    suite = make_suite("a fox")
    own, brought = make(suite), make(suite, "brought", Painter(delivered))
    assert tags_of(own.folder / "clips/p1-s0.mp4") == {}
    # A delivered file is kept byte for byte, and so it is not what a board shows.
    assert (brought.folder / "clips/p1-s0.mp4").read_bytes() == delivered.read_bytes()
    board = open_board(build_board(tmp_path / "runs", tmp_path / "board").path)
    for part in board.runs()["part"]:
        clip = board.folder / board.samples(part)["clip"][0]
        assert tags_of(clip) == {}
        assert b"secret-model" not in clip.read_bytes()
        assert len(read_clip(clip).frames) == 3


def test_show_reads_it_back_and_notices_a_changed_file(make_suite, stepbench):
    run = make(make_suite("a fox"))
    master, preview = (run.folder / f"clips/p1-s0{suffix}" for suffix in (".mkv", ".mp4"))
    record = stepbench("show", master, "--json").records()[0]
    assert record["origin"]["sample_key"] == record["recorded"]["sample_key"]
    assert (record["recorded"]["run_id"], record["recorded"]["unchanged"]) == (run.name, True)
    record = stepbench("show", preview, "--json").records()[0]
    assert record["origin"] is None
    assert (record["recorded"]["kind"], record["recorded"]["prompt_id"]) == ("preview", "p1")
    copy = master.rename(run.folder / "moved.mkv")
    assert "secret-model: 9/x" in stepbench("show", copy).out
    copy.rename(master).write_bytes(master.read_bytes() + b"x")
    ended = stepbench("show", master)
    assert ended.code == 3
    assert "has changed since run" in ended.err
    assert stepbench("show", master, "p1-s0").code == 2


def test_a_file_that_says_nothing_selects_nothing(tmp_path):
    write_master(tmp_path / "clip.mkv", FRAMES, 8)
    with pytest.raises(NothingSelectedError, match="does not say where it comes from"):
        describe_clip(tmp_path / "clip.mkv")


@pytest.mark.parametrize("comment", ["[1]", "a comment", '{"stepbench_clip": 99}', "null"])
def test_comments_of_others_are_no_origin(tmp_path, comment):
    with preview_writer(tmp_path / "clip.mp4", 8, comment=comment) as writer:
        writer.write(FRAMES)
    assert read_origin(tmp_path / "clip.mp4") is None


def test_one_clip_outside_any_run_has_a_key_too(tmp_path):
    told = json.loads(origin_text(Painter.card, "a fox", {"steps": 3}, seed=1))
    assert (told["run"], told["sample_key"]) == ("", sample_key(Painter.card.identity, "a fox", 1, {"steps": 3}))
