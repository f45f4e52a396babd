"""Small tokenizers: what they keep apart, what they can say, and that they come out the same every time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor

from reference_model.errors import ConfigError
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.training.tokenizers import train_clip_tokenizer, train_step_tokenizer

REPOSITORY = Path(__file__).parents[3]
TEXTS = [
    f"A {size} {colour} circle moves to the {way}."
    for size in ("small", "large")
    for colour in ("red", "green", "blue")
    for way in ("left", "right")
] + [f"一个{size}的{colour}色圆形向{way}移动。" for size in "小大" for colour in "红绿蓝" for way in "左右"]
CHINESE = sorted({character for text in TEXTS for character in text if ord(character) > 0x2E80})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    train_step_tokenizer(iter(TEXTS), folder / "step.model", 400)
    train_clip_tokenizer(iter(TEXTS), folder / "clip" / "vocab.txt", 120)
    return folder / "step.model", folder / "clip" / "vocab.txt"


@pytest.fixture(scope="module")
def pieces(files):
    return SentencePieceProcessor(model_file=str(files[0]))


def test_chinese_characters_are_one_token_each(files, pieces):
    vocabulary = [pieces.id_to_piece(number) for number in range(pieces.vocab_size())]
    assert all(sum(character in CHINESE for character in piece) <= 1 for piece in vocabulary)
    assert set(CHINESE) <= set(vocabulary)
    for text in TEXTS[-3:]:
        said = [piece.lstrip("▁") for piece in pieces.encode(text, out_type=str)]
        assert [piece for piece in said if piece] == list(text)

    words = files[1].read_text(encoding="utf-8").splitlines()
    assert set(CHINESE) <= set(words)
    assert all(len(word) == 1 for word in words if word[0] in CHINESE)


def test_english_words_of_the_captions_are_one_token_each(files, pieces):
    assert pieces.encode("a small red circle", out_type=str)[-3:] == ["▁small", "▁red", "▁circle"]
    words = files[1].read_text(encoding="utf-8").splitlines()
    assert {"small", "large", "circle", "moves", "left"} <= set(words)
    assert words[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_text_is_said_without_unknowns_and_comes_back(pieces, text):
    ids = pieces.encode(text)
    assert pieces.unk_id() not in ids
    assert pieces.decode(ids) == text.replace("▁", " ")


def test_ids_frame_and_limits_fit_the_released_formats(files):
    step, clip = StepTokenizer(files[0], 40), ClipTokenizer(files[1], 40)
    assert step.vocab_size <= 400
    assert clip.vocab_size <= 120
    ids, mask = step(["A red circle.", ""])
    assert ids[0, 0] == 1
    length = int(mask[0].sum())
    assert ids[0, length - 1] == 2
    assert torch.all(ids[0, length:] == 2)
    assert ids[1, :2].tolist() == [1, 2]
    assert mask[1].sum() == 2
    ids, mask = clip(["a red zebra", "一个红色圆形"])
    vocabulary = files[1].read_text(encoding="utf-8").splitlines()
    assert vocabulary[int(ids[0, 0])] == "[CLS]"
    # Words that were never seen are spelled where their characters are known, and unknown where not.
    assert [vocabulary[number] for number in ids[0, : int(mask[0].sum())]] == ["[CLS]", "a", "red", "[UNK]", "[SEP]"]
    assert [vocabulary[number] for number in ids[1, : int(mask[1].sum())]] == ["[CLS]", *"一个红色圆形", "[SEP]"]


def test_words_that_come_once_or_find_no_room_are_spelled(tmp_path):
    texts = ["apple apple apple bread bread cider", "apple"]
    train_clip_tokenizer(texts, tmp_path / "vocab.txt", 1000)
    whole = (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert whole[-2:] == ["apple", "bread"]
    assert len(whole) == 5 + 3 + len({"p", "l", "e", "r", "a", "d", "i"}) + 2
    train_clip_tokenizer(texts, tmp_path / "vocab.txt", len(whole) - 1)
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines() == whole[:-1]
    ids, mask = ClipTokenizer(tmp_path / "vocab.txt", 12)(["cider"])
    assert [whole[number] for number in ids[0, 1 : int(mask.sum()) - 1]] == ["c", "##i", "##d", "##e", "##r"]


def test_with_more_characters_than_ids_the_rarest_give_way(tmp_path):
    characters = [chr(0x4E00 + number) for number in range(60)]
    texts = [character * (100 - number) for number, character in enumerate(characters)]
    train_step_tokenizer(texts, tmp_path / "step.model", 260 + 40)
    pieces = SentencePieceProcessor(model_file=str(tmp_path / "step.model"))
    assert pieces.vocab_size() <= 300
    known = {pieces.id_to_piece(number) for number in range(pieces.vocab_size())}
    assert set(characters[:40]) <= known
    assert not set(characters[40:]) & known
    assert pieces.decode(pieces.encode(characters[50])) == characters[50]

    train_clip_tokenizer(texts, tmp_path / "vocab.txt", 45)
    assert set((tmp_path / "vocab.txt").read_text(encoding="utf-8").split()[5:]) == set(characters[:40])


def test_the_same_texts_give_the_same_bytes_in_every_process(files, tmp_path):
    program = (
        "import json, sys; from pathlib import Path\n"
        "from reference_model.training.tokenizers import train_clip_tokenizer, train_step_tokenizer\n"
        "texts, folder = json.load(sys.stdin), Path(sys.argv[1])\n"
        "train_step_tokenizer(texts, folder / 'step.model', 400)\n"
        "train_clip_tokenizer(texts, folder / 'vocab.txt', 120)\n"
    )
    call = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "3"}
    subprocess.run(call, input=json.dumps(TEXTS), text=True, check=True, env=environment, cwd=REPOSITORY)
    again = (tmp_path / "step.model", tmp_path / "vocab.txt")
    assert [_digest(file) for file in again] == [_digest(file) for file in files]


@pytest.mark.parametrize(
    ("train", "size", "least"), [(train_step_tokenizer, 260, 260), (train_clip_tokenizer, 5, 5)], ids=["step", "clip"]
)
def test_no_text_and_no_room_are_refused(tmp_path, train, size, least):
    with pytest.raises(ConfigError, match="needs texts to be trained on, got none"):
        train(["", "  "], tmp_path / "file", 1000)
    with pytest.raises(ConfigError, match=f"vocab_size must be above {least}, .* got {size}"):
        train(TEXTS, tmp_path / "file", size)
    assert not (tmp_path / "file").exists()


def _digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()
