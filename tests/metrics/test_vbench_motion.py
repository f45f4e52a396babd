"""VBench's rules for motion: dynamic degree, the static filter, and flickering of what passes it."""

from __future__ import annotations

import clips
import corpora
import numpy as np
import pytest
import torch

import metrics
from metrics import ClipView
from metrics.errors import ClipError, MetricError, UndefinedScoreError
from metrics.functional import dynamic_degree, flicker, vbench_flicker, vbench_static
from metrics.functional.dynamic_degree import clip_dynamic_degree, moving_pairs, sampling_step
from metrics.functional.motion import strongest_motion
from metrics.functional.vbench_flicker import clip_static, unsteady_pairs

SIZE = (32, 40)  # thresholds: 6 * 32 / 256 = 0.75 pixels to move, 3 * 32 / 256 = 0.375 to be still


def flow(lengths: list[float], share: float = 1.0) -> np.ndarray:
    """Flow of pairs that move by so much along x on a share of the frame, and not at all elsewhere."""
    vectors = np.zeros((len(lengths), *SIZE, 2), np.float32)
    moving = round(SIZE[0] * SIZE[1] * share)
    vectors[..., 0].reshape(len(lengths), -1)[:, :moving] = np.array(lengths)[:, None]
    return vectors


def vbench_moves(vectors: np.ndarray, fps: float) -> bool:
    """The rule written down once more, pixel by pixel."""
    frames, height, width = len(vectors) + 1, *vectors.shape[1:3]
    threshold = max(1.0, 8.0 / fps) * 6.0 * min(height, width) / 256.0
    moving_pairs = 0
    for pair in vectors:
        lengths = sorted((float(np.sqrt(x * x + y * y)) for x, y in pair.reshape(-1, 2)), reverse=True)
        strongest = lengths[: int(height * width * 0.05)]
        moving_pairs += sum(strongest) / len(strongest) > threshold
    return moving_pairs >= round(4 * frames / 16)


@pytest.mark.parametrize("fps", [4, 8, 24])
@pytest.mark.parametrize("frames", [3, 5, 10, 16, 25])
def test_dynamic_degree_is_the_rule_of_vbench(frames: int, fps: float):
    generator = clips.rng(frames)
    answers = []
    for scale in (0.1, 0.3, 0.36, 0.4, 0.8):
        vectors = generator.normal(0, scale, (frames - 1, *SIZE, 2)).astype(np.float32)
        answers.append(clip_dynamic_degree(moving_pairs(vectors, fps)))
        assert answers[-1] == vbench_moves(vectors, fps)
    assert len(set(answers)) == 2, "both answers must occur for this to prove anything"


def test_a_twentieth_of_the_frame_decides():
    assert strongest_motion(flow([2.0], share=0.05), 0.05) == pytest.approx([2.0])
    assert strongest_motion(flow([2.0], share=0.025), 0.05) == pytest.approx([1.0])
    assert clip_dynamic_degree(moving_pairs(flow([0.8] * 8, share=0.05), 8)) == 1.0
    assert clip_dynamic_degree(moving_pairs(flow([0.8] * 8, share=0.045), 8)) == 0.0


def test_a_quarter_of_the_pairs_decides():
    # 16 frames: round(4 * 16 / 16) = 4 pairs.
    assert clip_dynamic_degree(moving_pairs(flow([1.0] * 3 + [0.0] * 12), 8)) == 0.0
    assert clip_dynamic_degree(moving_pairs(flow([1.0] * 4 + [0.0] * 11), 8)) == 1.0


def test_a_still_of_two_frames_does_not_move():
    # VBench asks for round(4 * 2 / 16) = 0 moving pairs of two frames, which every clip has.
    assert float(dynamic_degree(clips.still(frames=2)[None])) == 0.0
    assert clip_dynamic_degree(moving_pairs(flow([1.0]), 8)) == 1.0


@pytest.mark.parametrize(
    ("fps", "step"), [(None, 1), (4, 1), (8, 1), (12, 2), (16, 2), (24, 3), (25, 3), (30, 4), (60, 8)]
)
def test_frames_are_sampled_at_about_eight_per_second(fps: float | None, step: int):
    assert sampling_step(fps) == step
    seen = []

    def recording(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels[:, 0, 0, 0].tolist())
        return np.zeros((len(pixels) - 1, 32, 32, 2), np.float32)

    clip = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, 32, 32)
    dynamic_degree(clip[None], fps=fps, flow=recording)
    assert seen == [list(range(0, 20, step))]


def test_too_few_frames_at_eight_per_second_are_refused():
    clip = clips.example(0)
    message = "at least 2 frames at about 8 per second, and of 6 frames takes one in 8"
    with pytest.raises(ClipError, match=message):
        dynamic_degree(clip[None], fps=60)
    with pytest.raises(ClipError, match=message):
        metrics.build("dynamic_degree").update(clip[None], fps=60)
    with pytest.raises(ClipError, match="frames per second must be a positive number"):
        dynamic_degree(clip[None], fps=0)


def test_the_class_takes_the_frame_rate_from_the_clip():
    # 1 pixel per frame of 48: below the threshold of 1.125 at 8 fps, and 3 pixels per sampled frame at 24.
    clip = clips.moving(1, velocity=(1.0, 0.0), frames=13)[None]
    for fps, expected in ((8, 0.0), (24, 1.0)):
        metric = metrics.build("dynamic_degree")
        metric.update(clip, fps=fps)
        assert float(metric.compute()) == float(dynamic_degree(clip, fps=fps)) == expected


def test_dynamic_degree_of_photographs_and_shapes():
    assert float(dynamic_degree(corpora.pan("coffee", velocity=(4.0, 0.0))[None])) == 1.0
    assert float(dynamic_degree(corpora.pan("coffee", velocity=(0.2, 0.0))[None])) == 0.0


@pytest.mark.parametrize(
    ("neighbours", "ends", "static"),
    [
        ([0.0] * 15, 0.0, True),
        ([0.37] * 15, 0.0, True),  # 16 frames: the limit is 0.375, and round(2 * 16 / 16) = 2 may exceed it
        ([9.0] * 2 + [0.0] * 13, 0.0, True),
        ([9.0] * 3 + [0.0] * 12, 0.0, False),
        ([0.0] * 15, 1.49, True),  # first and last frame: 2 * 2 * 0.375
        ([0.0] * 15, 1.51, False),
        ([0.0] * 3, 0.0, True),  # 4 frames: round(0.5) = 0
        ([0.38] * 3, 0.0, False),
        ([0.0] * 3, 0.01, False),
    ],
)
def test_static_filter_by_hand(neighbours: list[float], ends: float, static: bool):
    for between_ends in ([ends, 0.0], [0.0, ends]):
        assert clip_static(unsteady_pairs(flow(neighbours)), flow(between_ends)) is static


def test_static_filter_looks_at_a_fiftieth_of_the_frame():
    assert not clip_static(unsteady_pairs(flow([0.4] * 15, share=0.02)), flow([0.0, 0.0]))
    assert clip_static(unsteady_pairs(flow([0.4] * 15, share=0.018)), flow([0.0, 0.0]))


def test_static_filter_compares_first_and_last_frame_both_ways():
    seen = []

    def recording(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels[:, 0, 0, 0].tolist())
        return np.zeros((len(pixels) - 1, 32, 32, 2), np.float32)

    clip = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 3, 32, 32)
    assert vbench_static(clip[None], flow=recording).tolist() == [True]
    assert seen == [[0, 1, 2, 3, 4], [0, 4, 0]]


def test_static_filter_tells_stills_from_pans():
    still = clips.with_pulses(corpora.pan("coffee", velocity=(0.0, 0.0)), 2)
    creeping = corpora.pan("coffee", velocity=(0.05, 0.0))
    batch = torch.stack([still, creeping, corpora.pan("coffee"), corpora.pan("coffee", velocity=(0.9, 0.0))])
    answer = vbench_static(batch)
    assert answer.tolist() == [True, True, False, False]
    assert answer.dtype == torch.bool


def test_vbench_flicker_is_one_minus_flicker_of_static_clips():
    still = clips.with_pulses(corpora.pan("rocket", velocity=(0.0, 0.0)), 2)
    assert float(vbench_flicker(still[None])) == pytest.approx(1 - float(flicker(still[None])), rel=1e-12)
    assert float(vbench_flicker(still[None])) < 0.995


def test_vbench_flicker_is_undefined_where_something_moves():
    moving = corpora.pan("coffee", velocity=(2.0, 0.0))
    with pytest.raises(UndefinedScoreError, match=r"(?s)does not pass VBench's static filter.*hint:.*still scenes"):
        vbench_flicker(moving[None])
    score = metrics.score_view(ClipView(moving), {"vbench": metrics.build("vbench_flicker")})["vbench"]
    assert (score.status, score.value) == ("failed", None)
    assert "static filter" in score.error


@pytest.mark.parametrize("name", ["dynamic_degree", "vbench_flicker"])
def test_an_unknown_flow_is_refused(name: str):
    with pytest.raises(MetricError, match="flow must be one of dis, raft, got 'farneback'"):
        metrics.build(name, flow="farneback")
    assert metrics.build(name).card is metrics.describe(name), "the default has the card of the class"


@pytest.mark.parametrize("function", [dynamic_degree, vbench_flicker, vbench_static])
def test_one_frame_is_too_few(function):
    with pytest.raises(ClipError, match="needs at least 2 frames, got a clip of 1"):
        function(clips.batch(1)[:, :1])
