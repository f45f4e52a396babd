"""The `shapes` backbone: what it sees of clips and texts, and that nothing else moves its numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from metrics import MetricError
from metrics.backbones.shapes import WEIGHTS, ShapesConfig, ShapesEncoder, card, load, weights_hash
from metrics.backbones.shapes_tokenizer import PADDING, UNKNOWN, ShapesTokenizer, split_text
from metrics.backbones.shapes_video import FRAMES, SIDE, frame_places, sample_clips
from metrics.errors import ClipError, UnavailableMetricError

TEXTS = ["A red circle moves slowly to the left on a black background.", "黑色背景上有一个红色圆形，缓慢地向左移动。"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.fixture(scope="module")
def encoder() -> ShapesEncoder:
    return load()


def test_frames_are_spread_evenly_with_both_ends():
    assert frame_places(16).tolist() == list(range(16))
    assert frame_places(17).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16]
    assert frame_places(31).tolist() == list(range(0, 31, 2))
    assert frame_places(2).tolist() == [0] * 8 + [1] * 8
    assert frame_places(1).tolist() == [0] * 16
    for frames in range(1, 200):
        exact = torch.arange(16, dtype=torch.float64) * (frames - 1) / 15
        assert ((frame_places(frames) - exact).abs() <= 0.5 + 1e-9).all()


def test_a_clip_of_the_sampled_size_is_only_rescaled():
    clip = noise(2, FRAMES, 3, SIDE, SIDE)
    assert torch.equal(sample_clips(clip), clip.float() / 127.5 - 1)


def test_shrinking_averages_and_does_not_alias():
    stripes = torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    inside = sample_clips(stripes)[..., 1:-1]
    assert inside.abs().max() < 0.01  # black and white in turn, at twice the sampled resolution, is grey


@pytest.mark.parametrize("shape", [(1, 1, 3, 20, 90), (1, 5, 3, 33, 32), (2, 40, 3, 64, 48), (1, 3, 3, 8, 8)])
def test_any_length_and_size_is_sampled_to_one_shape(shape):
    flat = torch.full(shape, 200, dtype=torch.uint8)
    assert torch.allclose(sample_clips(flat), torch.full((shape[0], 16, 3, 32, 32), 200 / 127.5 - 1), atol=1e-5)


def test_words_and_chinese_characters_are_pieces_and_punctuation_is_not():
    words = ["a", "medium", "sized", "red", "circle", "moves", "to", "the", "left"]
    assert split_text("A medium-sized RED circle; moves to the left.") == words
    assert split_text("红色圆形，向左移动。") == list("红色圆形向左移动")
    assert split_text("２ ｒｅｄ 圆") == ["2", "red", "圆"]
    assert split_text("naïve ünder привет") == ["na", "ï", "ve", "ü", "nder", "привет"]
    assert split_text("привет红red") == ["привет", "红", "red"]


def test_numbers_of_a_text_do_not_depend_on_its_neighbours():
    tokenizer = ShapesTokenizer(["circle", "red", "圆", "红"], length=6)
    alone = tokenizer.encode(["red circle"])
    assert alone.ids.tolist() == [[3, 2, PADDING, PADDING, PADDING, PADDING]]
    both = tokenizer.encode(["red circle", "一个红圆 red blue circle"])
    assert torch.equal(both.ids[0], alone.ids[0])
    assert both.ids[1].tolist() == [UNKNOWN, UNKNOWN, 5, 4, 3, UNKNOWN]
    assert both.truncated == (False, True)
    assert both.unknown == ((), ("一", "个", "blue"))
    assert tokenizer.encode(["red", "red circle"], pad_to=0).ids.tolist() == [[3, PADDING], [3, 2]]


def test_texts_that_cannot_be_encoded_are_refused():
    tokenizer = ShapesTokenizer(["red"])
    with pytest.raises(MetricError, match="got a single string"):
        tokenizer.encode("red")
    with pytest.raises(MetricError, match=r"at least one word, got ' \.\.\. ' at position 1"):
        tokenizer.encode(["red", " ... "])


def test_every_caption_of_the_world_is_known_and_fits(encoder):
    from stepbench.suites import load_suite

    tokens = encoder.tokenize([prompt.text for prompt in load_suite("moving-shapes").prompts])
    assert not any(tokens.truncated)
    assert not any(tokens.unknown)


def test_outputs_have_the_promised_shapes(encoder):
    clips = noise(3, 9, 3, 40, 56)
    features, videos, texts = encoder.features(clips), encoder.embed_video(clips), encoder.embed_text(TEXTS)
    assert features.shape == (3, encoder.video.feature_dimensions)
    assert videos.shape == (3, 128)
    assert texts.shape == (2, 128)
    for vectors in (features, videos, texts):
        assert vectors.dtype == torch.float32
        assert not vectors.requires_grad
        assert vectors.isfinite().all()
    assert torch.allclose(videos.norm(dim=1), torch.ones(3))
    assert torch.allclose(texts.norm(dim=1), torch.ones(2))


def test_the_same_input_gives_the_same_bits(encoder):
    clips = noise(2, 17, 3, 64, 64)
    again = load()
    assert torch.equal(encoder.features(clips), again.features(clips))
    assert torch.equal(encoder.embed_video(clips), again.embed_video(clips))
    assert torch.equal(encoder.embed_text(TEXTS), again.embed_text(TEXTS))


def test_neighbours_in_a_batch_do_not_matter(encoder):
    clips = noise(4, 10, 3, 48, 48)
    for compute in (encoder.features, encoder.embed_video):
        alone = torch.cat([compute(clip[None]) for clip in clips])
        assert torch.allclose(compute(clips), alone, atol=1e-4)
        assert torch.allclose(compute(clips.flip(0)).flip(0), alone, atol=1e-4)
    alone = torch.cat([encoder.embed_text([text]) for text in TEXTS])
    assert torch.allclose(encoder.embed_text(TEXTS), alone, atol=1e-5)


@pytest.mark.parametrize("compute", ["features", "embed_video"])
def test_what_is_no_batch_of_clips_is_refused(encoder, compute):
    with pytest.raises(ClipError, match="must be uint8"):
        getattr(encoder, compute)(torch.zeros(1, 4, 3, 32, 32))
    with pytest.raises(ClipError, match="has 5 axes"):
        getattr(encoder, compute)(noise(4, 3, 32, 32))


def test_unpacked_clips_may_come_in_empty_batches(encoder):
    assert encoder.features(noise(0, 4, 3, 32, 32)).shape == (0, encoder.video.feature_dimensions)
    assert encoder.embed_video(noise(0, 4, 3, 40, 40)).shape == (0, 128)


def test_sizes_follow_the_config():
    small = ShapesEncoder(["red"], ShapesConfig(embedding=16, video_blocks=1, text_blocks=1, text_length=8)).eval()
    assert small.embed_video(noise(1, 3, 3, 32, 32)).shape == (1, 16)
    assert small.embed_text(["red"]).shape == (1, 16)
    assert small.tokenize(["red " * 9]).truncated == (True,)


def test_the_packaged_files_are_small_and_agree():
    assert WEIGHTS.stat().st_size < 2_000_000
    facts = card()
    assert facts["bytes"] == WEIGHTS.stat().st_size
    assert weights_hash() == facts["sha256"][:12]
    assert facts["sha256"] in WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    loaded = load()
    assert facts["parameters"] == sum(value.numel() for value in loaded.parameters())
    assert not loaded.training
    assert not any(value.requires_grad for value in loaded.parameters())


def test_changed_weights_are_refused(tmp_path: Path):
    weights = tmp_path / "shapes.safetensors"
    content = bytearray(WEIGHTS.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    shutil.copy(WEIGHTS.with_suffix(".json"), weights.with_suffix(".json"))
    with pytest.raises(UnavailableMetricError, match=r"weights shapes\.safetensors have the sha256 [0-9a-f]{64}, and"):
        load(weights)


def test_missing_files_are_named(tmp_path: Path):
    weights = tmp_path / "shapes.safetensors"
    with pytest.raises(UnavailableMetricError, match=r"shapes\.safetensors cannot be read \(No such file"):
        load(weights)
    shutil.copy(WEIGHTS, weights)
    with pytest.raises(UnavailableMetricError, match=r"shapes\.json cannot be read"):
        load(weights)


def test_loading_needs_neither_the_harness_nor_the_reference_model():
    code = "import sys, metrics.backbones.shapes as s; s.load(); print([m for m in sys.modules if m in " + json.dumps(
        ["stepbench", "reference_model"]
    )
    done = subprocess.run([sys.executable, "-c", code + "])"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
