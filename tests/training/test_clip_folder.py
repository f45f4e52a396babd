"""A folder of clips with captions: what is read from it, and what is refused before training starts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_model import noise_clip, write_clips, write_rows

from reference_model.training.data import clip_indices, drawn_bucket, step_generator
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.training import inspect_clips
from stepbench.training.clip_folder import open_clip_folder
from stepbench.training.clip_sizes import ClipSize, SizeRule, parse_sizes
from stepbench.training.inspect_clips import InspectedClips
from stepbench.training.manifest import read_manifest
from stepbench.training.request import TrainingRequest
from stepbench.training.sources import FirstChunks, open_data

SPLIT = [{"file": "a.mkv", "caption": "one"}, {"file": "b.mkv", "captions": ["two", "二"], "fps": 12, "split": "test"}]


def opened(folder: Path, *, fit="refuse", sizes=(), limit=None, captions_needed=True, index=None):
    rule = SizeRule(fit=fit, sizes=parse_sizes(sizes))
    index = index or InspectedClips(folder / "index.json")
    return open_clip_folder(folder, rule=rule, index=index, captions_needed=captions_needed, limit=limit)


def test_clips_and_captions_come_as_they_are(tmp_path):
    clips = {"a.mkv": noise_clip(1), "b.mkv": noise_clip(2)}
    train, test = opened(write_clips(tmp_path, clips, *SPLIT))
    assert (len(train), len(test)) == (1, 1)
    assert np.array_equal(train[0].frames.numpy(), clips["a.mkv"])
    assert train[0].captions == ("one",)
    assert train[0].fps == 8
    assert np.array_equal(test[0].frames.numpy(), clips["b.mkv"])
    assert test.captions(0) == test[0].captions == ("two", "二")
    assert test[0].fps == 12


def test_a_crop_keeps_the_first_frames_and_the_middle(tmp_path):
    clip = noise_clip(1, 40, 37, 52)
    train, _ = opened(write_clips(tmp_path, {"a.mkv": clip, "b.mkv": clip}, *SPLIT), fit="crop")
    assert np.array_equal(train[0].frames.numpy(), clip[:34, :, 2:34, 2:50])
    train, _ = opened(tmp_path, fit="crop", sizes=["17x16x32"])
    assert np.array_equal(train[0].frames.numpy(), clip[:17, :, 10:26, 10:42])


def test_resizing_keeps_shapes_round(tmp_path):
    clip = np.zeros((17, 3, 64, 96), np.uint8)
    clip[:, :, 24:40, 40:56] = 200  # a square in the middle
    train, _ = opened(write_clips(tmp_path, {"a.mkv": clip, "b.mkv": clip}, *SPLIT), fit="resize", sizes=["17x32x32"])
    frames = train[0].frames.numpy()
    assert frames.shape == (17, 3, 32, 32)
    inside = frames[0, 0] > 100
    assert np.array_equal(np.argwhere(inside).min(axis=0), [12, 12])
    assert np.array_equal(np.argwhere(inside).max(axis=0), [19, 19])
    assert abs(int(frames[0, 0, 16, 16]) - 200) <= 2


def test_images_are_clips_of_one_frame(tmp_path):
    image = noise_clip(3, 1)[0]
    Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "i.png")
    rows = [{"file": "i.png", "caption": "an image"}, SPLIT[1]]
    train, _ = opened(write_clips(tmp_path, {"b.mkv": noise_clip(2)}, *rows))
    assert np.array_equal(train[0].frames.numpy(), image[None])
    with pytest.raises(UsageError, match="start_clips must be clips of several frames and of one size, got 1 of 1"):
        FirstChunks(train, 1)


def test_clips_of_one_size_stand_together_and_fill_whole_batches(tmp_path):
    shapes = {
        "a": (17, 32, 32),
        "b": (1, 32, 32),
        "c": (17, 16, 32),
        "d": (17, 32, 32),
        "e": (34, 16, 16),
        "t": (17, 16, 16),
    }
    clips = {f"{name}.mkv": noise_clip(number, *shape) for number, (name, shape) in enumerate(shapes.items())}
    rows = [{"file": name, "caption": name} | ({"split": "test"} if name == "t.mkv" else {}) for name in clips]
    train, _ = opened(write_clips(tmp_path, clips, *rows))
    assert train.sizes[0] == (ClipSize(17, 32, 32), 2)
    assert train.sizes[-1] == (ClipSize(1, 32, 32), 1)
    assert [list(bucket) for bucket in train.buckets] == [[0, 1], [2], [3], [4]]
    for (size, _), bucket in zip(train.sizes, train.buckets, strict=True):
        assert {tuple(train[index].frames.shape) for index in bucket} == {(size.frames, 3, size.height, size.width)}
    first = train.of_one_size()
    assert [first[index].captions for index in range(len(first))] == [("a.mkv",), ("d.mkv",)]
    assert FirstChunks(train, 2)[1].frames.shape == (17, 3, 32, 32)
    with pytest.raises(UsageError, match="got 3 of 2"):
        FirstChunks(train, 3)

    drawn = Counter(tuple(drawn_bucket(train, step_generator(0, step))) for step in range(500))
    assert drawn[(0, 1)] == pytest.approx(200, abs=40)
    assert sorted(drawn) == [(0, 1), (2,), (3,), (4,)]


def test_a_source_of_one_size_is_one_bucket():
    assert list(drawn_bucket(torch.zeros(5), step_generator(0))) == [0, 1, 2, 3, 4]  # type: ignore[arg-type]
    assert sorted(clip_indices(0, 5, 5, 0)) == [0, 1, 2, 3, 4]


def test_a_tenth_is_held_out_by_name_unless_rows_say_otherwise(tmp_path):
    clip = noise_clip(0, 1, 16, 16)
    names = [f"{number}.png" for number in range(60)]
    for name in names:
        Image.fromarray(clip[0].transpose(1, 2, 0)).save(tmp_path / name)
    write_rows(tmp_path, *({"file": name, "caption": "x"} for name in names))
    index = InspectedClips(tmp_path / "index.json")
    train, test = opened(tmp_path, index=index)
    held_out = {one.path.name for one in test.clips}
    assert len(train) + len(test) == 60
    assert 1 <= len(test) <= 15
    assert not held_out & {one.path.name for one in train.clips}
    fewer = [name for name in names if name not in sorted(held_out)[:1]][5:]
    write_rows(tmp_path, *({"file": name, "caption": "x"} for name in fewer))
    assert {one.path.name for one in opened(tmp_path, index=index)[1].clips} <= held_out
    write_rows(tmp_path, *({"file": name, "caption": "x"} for name in sorted(set(names) - held_out)[:2]))
    assert [len(part) for part in opened(tmp_path, index=index)] == [1, 1]


def test_the_first_rows_alone(tmp_path):
    rows = [*SPLIT, {"file": "missing.mkv", "caption": "x"}]
    folder = write_clips(tmp_path, {"a.mkv": noise_clip(1), "b.mkv": noise_clip(2)}, *rows)
    assert [len(part) for part in opened(folder, limit=2)] == [1, 1]


def test_descriptions_tell_other_clips_apart(tmp_path):
    folder = write_clips(tmp_path, {"a.mkv": noise_clip(1), "b.mkv": noise_clip(2)}, *SPLIT)
    before = opened(folder)[0].description
    assert opened(folder)[0].description == before
    write_rows(folder, {**SPLIT[0], "caption": "other"}, SPLIT[1])
    assert opened(folder)[0].description != before
    write_rows(folder, *SPLIT)
    write_clips(folder, {"a.mkv": noise_clip(1, 34)}, *SPLIT)
    assert opened(folder)[0].description != before


def test_a_checked_clip_is_not_decoded_again_until_it_changes(tmp_path, monkeypatch):
    folder = write_clips(tmp_path, {"a.mkv": noise_clip(1), "b.mkv": noise_clip(2)}, *SPLIT)
    decoded = []
    read = inspect_clips.read_chunks
    monkeypatch.setattr(inspect_clips, "read_chunks", lambda path: decoded.append(path.name) or read(path))
    for changed, expected in [(None, ["a.mkv", "b.mkv"]), (None, []), ("b.mkv", ["b.mkv"])]:
        decoded.clear()
        if changed:
            write_clips(folder, {changed: noise_clip(3, 34)}, *SPLIT)
        index = InspectedClips(folder / "index.json")
        opened(folder, index=index)
        index.save()
        assert decoded == expected
    assert json.loads((folder / "index.json").read_text())["clips"]["b.mkv"]["size"]["frames"] == 34
    for damaged in ("{", "[]", '{"version": 0}', '{"version": 1, "clips": {"a.mkv": {}}}'):
        (folder / "index.json").write_text(damaged, encoding="utf-8")
        decoded.clear()
        opened(folder, index=InspectedClips(folder / "index.json"))
        assert decoded == ["a.mkv", "b.mkv"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"file": "a.mkv", "captoin": "x"}', "captions.jsonl:1: unknown key 'captoin'; known: file, caption"),
        ('{"caption": "x"}', ":1: missing key 'file'"),
        ('{"file": ""}', ":1: file: String should have at least 1 character"),
        ('{"file": "a.mkv", "caption": " "}', ":1: empty caption ' '"),
        ('{"file": "a.mkv", "captions": []}', ":1: captions: List should have at least 1 item"),
        ('{"file": "a.mkv", "caption": "x", "captions": ["y"]}', ":1: give caption or captions, not both"),
        ('{"file": "a.mkv"}', ":1: missing key 'caption' or 'captions'"),
        ('{"file": "a.mkv", "caption": 3}', ":1: caption: Input should be a valid string, got 3"),
        ('{"file": "a.mkv", "caption": "x", "fps": 0}', ":1: fps: Input should be greater than 0, got 0"),
        ('{"file": "a.mkv", "caption": "x", "fps": NaN}', ":1: not JSON that can be kept: NaN is no JSON number"),
        ('{"file": "a.mkv", "caption": "x", "split": "dev"}', ":1: split: Input should be 'train' or 'test'"),
        ('{"file": "../a.mkv", "caption": "x"}', ":1: file must lie in the folder"),
        ('{"file": "/a.mkv", "caption": "x"}', ":1: file must lie in the folder"),
        ('{"file": "a\\\\b.mkv", "caption": "x"}', ":1: file must lie in the folder"),
        ('{"file": "a.mkv", "caption": "\\ud800"}', ":1: 'utf-8' codec can't encode"),
        ('{"file": "a.mkv", "file": "b.mkv"}', ":1: not JSON that can be kept: key 'file' stands twice"),
        ("[1]", ":1: a JSON object was expected, got \\[1\\]"),
        ("{", ":1: not JSON"),
        ("", "captions.jsonl: no clips"),
        ('{"file": "nowhere.mkv", "caption": "x"}', "captions.jsonl:1: no video file at .*nowhere.mkv"),
        ('{"file": "broken.mkv", "caption": "x"}', "captions.jsonl:1: broken.mkv: cut off"),
        ('{"file": "text.mkv", "caption": "x"}', "captions.jsonl:1: text.mkv: not a readable video"),
        ('{"file": "short.mkv", "caption": "x"}', "captions.jsonl:1: short.mkv: too short: 5 frames"),
        ('{"file": "odd.mkv", "caption": "x"}', "captions.jsonl:1: odd.mkv: 17x33x32 is not a valid size"),
    ],
)
def test_what_cannot_be_trained_on_is_named_with_file_and_line(tmp_path, line, complaint):
    clips = {"a.mkv": noise_clip(1), "short.mkv": noise_clip(2, 5), "odd.mkv": noise_clip(3, 17, 33, 32)}
    write_clips(tmp_path, {**clips, "broken.mkv": noise_clip(4)})
    whole = (tmp_path / "broken.mkv").read_bytes()
    (tmp_path / "broken.mkv").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mkv").write_text("not a video", encoding="utf-8")
    write_rows(tmp_path, line)
    with pytest.raises(UsageError, match=complaint) as error:
        opened(tmp_path)
    assert "cannot be trained on" in str(error.value)
    assert "nothing was started" in str(error.value)


def test_all_problems_are_listed_together(tmp_path):
    write_rows(tmp_path, *[{"file": f"{number}.mkv", "caption": "x"} for number in range(25)])
    with pytest.raises(UsageError, match=r"captions.jsonl:20: no video(.|\n)*and 5 more"):
        opened(tmp_path)


def test_a_file_stands_in_one_row(tmp_path):
    row = {"file": "a.mkv", "caption": "x"}
    write_clips(tmp_path, {"a.mkv": noise_clip(1)}, row, row)
    with pytest.raises(UsageError, match=r":2: 'a\.mkv' stands on line 1 already"):
        opened(tmp_path)


def test_both_sides_need_clips(tmp_path):
    write_clips(tmp_path, {"a.mkv": noise_clip(1)})
    with pytest.raises(NothingSelectedError, match="has 1 clips, none of them to test on"):
        opened(tmp_path)
    write_rows(tmp_path, {"file": "a.mkv", "caption": "x", "split": "test"})
    with pytest.raises(NothingSelectedError, match="none of them to train on"):
        opened(tmp_path)


def test_a_manifest_must_be_there_and_utf8(tmp_path):
    with pytest.raises(UsageError, match=r"no captions\.jsonl in"):
        read_manifest(tmp_path, captions_needed=False)
    (tmp_path / "captions.jsonl").write_bytes(b'{"file": "a"}\n\xff\n')
    with pytest.raises(UsageError, match=r"captions\.jsonl:2: not UTF-8"):
        read_manifest(tmp_path, captions_needed=False)


def test_clips_without_captions_where_none_are_read(tmp_path):
    write_clips(tmp_path, {"a.mkv": noise_clip(1), "b.mkv": noise_clip(2)}, {"file": "a.mkv"}, {"file": "b.mkv"})
    assert opened(tmp_path, captions_needed=False)[0][0].captions == ()


def test_a_clip_that_shrinks_while_training_is_noticed(tmp_path):
    folder = write_clips(tmp_path, {"a.mkv": noise_clip(1, 34), "b.mkv": noise_clip(2)}, *SPLIT)
    train, _ = opened(folder)
    write_clips(folder, {"a.mkv": noise_clip(1)}, *SPLIT)
    with pytest.raises(UsageError, match=r"a\.mkv has become shorter than 34 frames"):
        train[0]


def request(data: str, **options) -> TrainingRequest:
    return TrainingRequest(stage="vae", model="tiny", data=data, out=Path("nowhere"), **options)


def test_moving_shapes_by_level_and_size():
    data = open_data(
        request("moving-shapes:1,2", sizes=SizeRule(sizes=parse_sizes(["34x32x32"]))), captions_needed=True
    )
    assert data.train[5].frames.shape == (34, 3, 32, 32)
    assert data.judge is not None
    assert data.judge(0, data.test[0].frames)["colour"] == 1
    other = open_data(request("moving-shapes"), captions_needed=True)
    assert other.description != data.description
    assert len(open_data(request("moving-shapes", limit=7), captions_needed=True).train) == 7


@pytest.mark.parametrize(
    ("data", "sizes", "complaint"),
    [
        ("moving-shapes:x", [], "levels must be numbers by commas, got 'x'"),
        ("moving-shapes", ["17x32x48"], "moving-shapes takes one square size of several frames, got 17x32x48"),
        ("moving-shapes", ["1x32x32"], "moving-shapes takes one square size"),
        ("moving-shapes", ["17x32x32", "17x64x64"], "moving-shapes takes one square size"),
        ("nowhere", [], "no data 'nowhere'"),
    ],
)
def test_other_data_is_refused(data, sizes, complaint):
    with pytest.raises(UsageError, match=complaint):
        open_data(request(data, sizes=SizeRule(sizes=parse_sizes(sizes))), captions_needed=True)


def test_limits_are_numbers_that_make_sense():
    for option, value in [("limit", 0), ("max_steps", -1), ("max_seconds", float("nan")), ("samples", -1)]:
        with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} must be at least"):
            request("moving-shapes", **{option: value})
