"""Preference pairs: read from JSONL, encoded once per clip, refused where nothing can be learned from them."""

from __future__ import annotations

import json

import pytest
import torch
from dpo_toys import SHAPE

from reference_model.errors import CheckpointError
from reference_model.training.data import TrainingClip, to_float
from reference_model.training.preference_latents import LatentPair, encode_pairs
from reference_model.training.preferences import (
    ClipInMemory,
    LazyClip,
    PreferenceDataError,
    PreferencePair,
    read_preferences,
)


def frames(value: int, time: int = 1):
    return torch.full((time, 3, 16, 16), value, dtype=torch.uint8)


class Decoder:
    """Reads the toy format of these tests, one byte that is the colour of the clip, and counts."""

    def __init__(self, fps: float = 8.0) -> None:
        self.fps = fps
        self.opened: list[str] = []

    def __call__(self, path):
        self.opened.append(path.name)
        return TrainingClip(frames=frames(path.read_bytes()[0]), fps=self.fps)


ROW = {"prompt": "一个红球", "chosen": "clips/a.toy", "rejected": "clips/b.toy", "share": 0.75}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clips").mkdir()
    for name, value in (("a", 10), ("b", 200), ("c", 90)):
        (tmp_path / "clips" / f"{name}.toy").write_bytes(bytes([value]))
    return tmp_path


def write(folder, *rows, name="pairs.jsonl"):
    file = folder / name
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_pairs_are_read_without_opening_a_clip(folder):
    decode = Decoder()
    file = write(folder, {**ROW, "pair_id": "ignored"}, "", {**ROW, "rejected": "clips/c.toy", "share": 1})
    first, second = read_preferences(file, decode)
    assert (first.prompt, first.share, second.share) == ("一个红球", 0.75, 1.0)
    assert decode.opened == []
    assert first.winner.read().frames[0, 0, 0, 0] == 10
    assert second.loser.read().frames[0, 0, 0, 0] == 90
    assert decode.opened == ["a.toy", "c.toy"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 2: Expecting property name"),
        ("[1]", "line 2: a JSON object is needed, got list"),
        ({"prompt": "x"}, "line 2: 'chosen' must be a text, got nothing"),
        ({**ROW, "prompt": 3}, "line 2: 'prompt' must be a text, got 3"),
        ({**ROW, "share": "most"}, "line 2: 'share' must be a number, got 'most'"),
        ({**ROW, "share": True}, "line 2: 'share' must be a number, got True"),
        ({**ROW, "share": 0.5}, "line 2: share of votes .* got 0.5\n  hint: swap the clips"),
        ({**ROW, "share": 1.5}, "line 2: share of votes .* got 1.5"),
        ({**ROW, "share": float("nan")}, "line 2: share of votes .* got nan"),
        ({**ROW, "rejected": "clips/z.toy"}, "line 2: no such clip: .*z.toy\n  hint: names are relative"),
    ],
)
def test_bad_lines_are_named(folder, row, message):
    with pytest.raises(PreferenceDataError, match=message):
        read_preferences(write(folder, ROW, row), Decoder())


def test_files_without_preferences(folder):
    with pytest.raises(PreferenceDataError, match="holds no preferences"):
        read_preferences(write(folder, ""), Decoder())
    with pytest.raises(PreferenceDataError, match="preferences cannot be read from"):
        read_preferences(folder / "none.jsonl", Decoder())
    (folder / "latin.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(PreferenceDataError, match="preferences cannot be read from"):
        read_preferences(folder / "latin.jsonl", Decoder())


def test_the_digest_is_of_the_content(folder):
    (folder / "copy.toy").write_bytes((folder / "clips" / "a.toy").read_bytes())
    digests = [LazyClip(folder / name, Decoder()).digest for name in ("clips/a.toy", "copy.toy", "clips/b.toy")]
    assert digests[0] == digests[1] != digests[2]
    clips = [
        ClipInMemory(frames(1)),
        ClipInMemory(frames(1)),
        ClipInMemory(frames(2)),
        ClipInMemory(frames(1), fps=8.0),
    ]
    one, same, colour, rate = (clip.digest for clip in clips)
    assert one == same
    assert len({one, colour, rate}) == 3


def test_every_clip_is_encoded_once(folder, small_vae):
    vae, decode = small_vae(), Decoder()
    file = write(folder, ROW, {**ROW, "rejected": "clips/c.toy", "share": 1.0})
    pairs = encode_pairs(vae, read_preferences(file, decode), folder / "cache", progress=False)
    assert sorted(decode.opened) == ["a.toy", "b.toy", "c.toy"]
    again = encode_pairs(vae, read_preferences(file, decode), folder / "cache", progress=False)
    assert len(decode.opened) == 3
    assert len(pairs) == len(again) == 2

    pair = again[0]
    assert (pair.prompt, pair.share, pair.fps) == ("一个红球", 0.75, 8.0)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = [vae.encode(to_float(frames(value))[None]).mean[0].half() for value in (10, 200)]
    assert torch.equal(pair.winner, expected[0])
    assert torch.equal(pair.loser, expected[1])
    assert torch.equal(pairs[1].winner, pair.winner)


def test_another_vae_encodes_anew(folder, small_vae):
    decode, file = Decoder(), write(folder, ROW)
    vae = small_vae()
    encode_pairs(vae, read_preferences(file, decode), folder / "cache", progress=False)
    with torch.no_grad():
        vae.encoder.conv_in.conv.weight.mul_(1.5)
    encode_pairs(vae, read_preferences(file, decode), folder / "cache", progress=False)
    assert len(decode.opened) == 4


def test_clips_in_memory_are_encoded_too(tmp_path, small_vae):
    source = [PreferencePair(prompt="x", winner=ClipInMemory(frames(3, 17)), loser=ClipInMemory(frames(4, 17)))]
    pair = encode_pairs(small_vae(), source, tmp_path, progress=False)[0]
    assert pair.winner.shape == pair.loser.shape == (3, 2, 1, 1)
    assert not torch.equal(pair.winner, pair.loser)
    assert (pair.share, pair.fps) == (1.0, 25.0)


@pytest.mark.parametrize(
    ("loser", "message"),
    [
        (ClipInMemory(frames(4, 17)), r"latents of one shape, got \(1, 2, 1, 1\) and \(3, 2, 1, 1\) for 'x'"),
        (ClipInMemory(frames(4), fps=8.0), "one frame rate, got 25 and 8 for 'x'"),
    ],
)
def test_clips_that_do_not_go_together(tmp_path, small_vae, loser, message):
    source = [PreferencePair(prompt="x", winner=ClipInMemory(frames(3)), loser=loser)]
    pairs = encode_pairs(small_vae(), source, tmp_path, progress=False)
    with pytest.raises(PreferenceDataError, match=message):
        pairs[0]


def test_damaged_latents(tmp_path, small_vae):
    source = [PreferencePair(prompt="x", winner=ClipInMemory(frames(3)), loser=ClipInMemory(frames(4)))]
    pairs = encode_pairs(small_vae(), source, tmp_path, progress=False)
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"cannot be read: .*\n  hint: remove it"):
        pairs[0]


def test_a_pair_of_latents_needs_a_winner():
    latents = torch.zeros(SHAPE)
    with pytest.raises(PreferenceDataError, match=r"share of votes for the winner .* got 0\.2"):
        LatentPair(prompt="x", winner=latents, loser=latents, share=0.2)
