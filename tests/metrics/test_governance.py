"""Flags for human review: what they catch, what they say, and that they never pass silently."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from tiny_detector import write_detector

import metrics
from metrics.errors import ClipError, MetricError, MissingInputError, UnavailableMetricError
from metrics.governance.face_present import WEIGHTS as FACE_WEIGHTS
from metrics.governance.reference_set import ReferenceSet
from metrics.registry import GOVERNANCE

BLACK = torch.zeros(1, 4, 3, 64, 48, dtype=torch.uint8)


def flagged(prompt: str, **options) -> str:
    flag = metrics.build("named_characters", **options)
    view = metrics.ClipView(BLACK[0], prompt=prompt)
    (score,) = metrics.score_view(view, {"flag": flag}).values()
    assert score.value == float(bool(score.note))
    return score.note


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Mickey Mouse surfs", "mickey mouse"),
        ("a mug of coca-cola, steaming", "coca-cola"),
        ("SPIDER-MAN!", "spider-man"),
        ("a McDonald’s sign", "mcdonald's"),
        ("ＰＩＫＡＣＨＵ runs", "pikachu"),
        ("一只皮卡丘在草地上奔跑", "皮卡丘"),
        ("Mickey   Mouse and Donald\nDuck", "mickey mouse, donald duck"),
    ],
)
def test_names_are_found_in_any_spelling_of_letters_and_spaces(prompt, name):
    assert flagged(prompt) == f"the prompt names {name}"


@pytest.mark.parametrize(
    "prompt", ["a mouse surfs", "a batmanlike cape", "the legolas figure", "一只猫在跑", "pikachus"]
)
def test_other_words_are_not(prompt):
    assert flagged(prompt) == ""


def test_the_list_can_be_replaced(tmp_path, monkeypatch):
    own = tmp_path / "names.txt"
    own.write_text("# ours\nGreta  # a mascot\n\n红小豆\n", encoding="utf-8")
    assert flagged("Greta waves", names=own) == "the prompt names greta"
    assert flagged("两颗红小豆", names=own) == "the prompt names 红小豆"
    assert flagged("Mickey Mouse", names=own) == ""
    assert flagged("Ulla and Greta", names=["Ulla"]) == "the prompt names ulla"
    monkeypatch.setenv("STEPBENCH_NAMED_CHARACTERS", str(own))
    assert flagged("Greta waves") == "the prompt names greta"


def test_the_list_is_part_of_the_identity(tmp_path):
    shipped = metrics.build("named_characters").card
    assert metrics.build("named_characters", names=["a", "b"]).card.id != shipped.id
    assert (
        metrics.build("named_characters", names=["b", "A"]).card
        == metrics.build("named_characters", names=["a", "b"]).card
    )


def test_lists_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(MetricError, match=r"the list of names .*nowhere\.txt' cannot be read"):
        metrics.build("named_characters", names=tmp_path / "nowhere.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(MetricError, match="must hold at least one"):
        metrics.build("named_characters", names=tmp_path / "empty.txt")
    with pytest.raises(MissingInputError, match="named_characters needs a prompt"):
        metrics.build("named_characters").update(BLACK)


def noise(seed: int, side: int = 48, frames: int = 9) -> torch.Tensor:
    """Large random patches, so that layouts differ."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (frames, 6, 6, 3), dtype=np.uint8)
    small[:] = small[:1] // 2 + small // 2
    big = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_NEAREST) for frame in small]
    return torch.from_numpy(np.stack(big).transpose(0, 3, 1, 2).copy())


@pytest.fixture(scope="module")
def reference() -> ReferenceSet:
    return ReferenceSet.of((f"train/{seed}", noise(seed)) for seed in range(5))


def test_copies_and_light_edits_are_flagged_with_the_id_of_the_nearest(reference):
    flag = metrics.build("near_duplicate", reference=reference)
    grain = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (9, 3, 48, 48)))
    edited = (0.97 * noise(3) + grain).clamp(0, 255)
    larger = torch.nn.functional.interpolate(edited, scale_factor=2).to(torch.uint8)
    view = metrics.ClipView(larger)
    (score,) = metrics.score_view(view, {"flag": flag}).values()
    assert score.value == 1
    assert score.note.startswith("cosine 0.9")
    assert score.note.endswith(" to train/3")
    exact = flag.nearest(metrics.ClipView(noise(2)))
    assert (exact.id, exact.cosine) == ("train/2", pytest.approx(1, abs=1e-6))


def test_other_clips_are_not_flagged(reference):
    flag = metrics.build("near_duplicate", reference=reference)
    flag.update(torch.stack([noise(seed) for seed in range(10, 20)]))
    assert float(flag.compute()) == 0
    assert flag.note(metrics.ClipView(noise(11))) == ""


def test_the_share_of_flagged_clips_rises_as_the_threshold_falls(reference):
    preds = torch.stack([noise(seed) for seed in (0, 1, 10, 11, 12)])
    shares = []
    for threshold in (1.0, 0.95, 0.6, 0.01):
        flag = metrics.build("near_duplicate", reference=reference, threshold=threshold)
        flag.update(preds)
        shares.append(float(flag.compute()))
        assert f"-t{threshold:g}" in flag.card.policy
    assert shares == sorted(shares)
    assert (shares[1], shares[-1]) == (0.4, 1)


def test_a_set_survives_its_file_and_is_part_of_the_identity(reference, tmp_path, monkeypatch):
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    loaded = ReferenceSet.load(path)
    assert (loaded.ids, loaded.hash) == (reference.ids, reference.hash)
    assert torch.equal(loaded.vectors, reference.vectors)
    monkeypatch.setenv("STEPBENCH_REFERENCE_CLIPS", str(path))
    assert metrics.METRICS["near_duplicate"].unavailable() == ""
    card = metrics.build("near_duplicate").card
    assert card.weights_hash == reference.hash
    other = ReferenceSet.of([("x", noise(9))])
    assert metrics.build("near_duplicate", reference=other).card.id != card.id


def test_features_of_a_network(weights, reference):
    of_dino = ReferenceSet.of([("a", noise(1)), ("b", noise(2))], features="dino-vitb16")
    flag = metrics.build("near_duplicate", reference=of_dino, features="dino-vitb16", threshold=0.999)
    assert flag.card.backbone == "dino-vitb16"
    assert flag.nearest(metrics.ClipView(noise(2))).id == "b"
    with pytest.raises(MetricError, match=r"the reference set was made with layout.*described with dino-vitb16"):
        metrics.build("near_duplicate", reference=reference, features="dino-vitb16")


def test_without_a_reference_the_flag_is_unavailable_not_zero(tmp_path, monkeypatch):
    monkeypatch.delenv("STEPBENCH_REFERENCE_CLIPS", raising=False)
    with pytest.raises(UnavailableMetricError, match=r"python -m stepbench\.reference_clips FOLDER FILE"):
        metrics.build("near_duplicate")
    assert "STEPBENCH_REFERENCE_CLIPS is not set" in metrics.METRICS["near_duplicate"].unavailable()
    with pytest.raises(UnavailableMetricError, match=r"no reference set: .*nowhere"):
        metrics.build("near_duplicate", reference=tmp_path / "nowhere")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(UnavailableMetricError, match="cannot be read as a reference set"):
        metrics.build("near_duplicate", reference=tmp_path / "text")


def test_bad_sets_thresholds_and_clips_are_refused(reference):
    with pytest.raises(MetricError, match="at least one clip and an id for each, got 0"):
        ReferenceSet.of([])
    with pytest.raises(MetricError, match="an id for each, got 2"):
        ReferenceSet.of([("a", noise(0)), ("a", noise(1))])
    for threshold in (0, 1.5, float("nan")):
        with pytest.raises(MetricError, match="threshold must be a cosine above 0"):
            metrics.build("near_duplicate", reference=reference, threshold=threshold)
    with pytest.raises(ClipError, match="at least 8 x 8 pixels"):
        metrics.build("near_duplicate", reference=reference).update(BLACK[..., :4])


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return write_detector(tmp_path_factory.mktemp("detector") / FACE_WEIGHTS)


def red_patch(side: int = 16, frames: int = 4, shown: int = 4, colour: int = 0) -> torch.Tensor:
    clip = torch.zeros(frames, 3, 64, 96, dtype=torch.uint8)
    clip[:shown, colour, 16 : 16 + side, 32 : 32 + side] = 250
    return clip


def test_faces_are_flagged_with_how_many_frames(detector):
    # This detector takes red patches for faces, so colours in a wrong order would show as well.
    flag = metrics.build("face_present", weights=detector)
    view = metrics.ClipView(red_patch(shown=3))
    (score,) = metrics.score_view(view, {"flag": flag}).values()
    assert (score.value, score.note) == (1, "a face in 3 of 4 frames, best score 0.98")
    assert flag.faces(metrics.ClipView(red_patch(colour=2))).with_face == 0
    flag.update(torch.stack([red_patch(), red_patch(shown=0)]))
    assert float(flag.compute()) == 0.5


def test_a_face_below_the_threshold_is_none(detector):
    flag = metrics.build("face_present", weights=detector)
    faint = (red_patch().float() * 0.6).to(torch.uint8)
    assert flag.faces(metrics.ClipView(faint)).with_face == 0


def test_large_frames_are_looked_at_smaller_and_long_clips_at_16_places(detector):
    flag = metrics.build("face_present", weights=detector)
    large = red_patch(side=32).repeat_interleave(8, dim=-1).repeat_interleave(8, dim=-2)
    assert large.shape[-1] == 768
    assert flag.faces(metrics.ClipView(large[:1])).with_face == 1
    long = red_patch(frames=40, shown=40)
    assert flag.faces(metrics.ClipView(long)).looked_at == 16


def test_without_a_detector_the_flag_is_unavailable_not_zero(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(UnavailableMetricError, match=f"stepbench weights pull {FACE_WEIGHTS}"):
        metrics.build("face_present")
    assert FACE_WEIGHTS in metrics.METRICS["face_present"].unavailable()
    with pytest.raises(UnavailableMetricError, match="there is no detector at"):
        metrics.build("face_present", weights=tmp_path / "nowhere")


def test_a_file_that_is_no_detector_is_named(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    flag = metrics.build("face_present", weights=tmp_path / "broken.onnx")
    with pytest.raises(UnavailableMetricError, match="is no face detector that OpenCV can read"):
        flag.update(red_patch()[None])


def test_flags_are_lower_is_better_and_all_tested_here(reference, detector):
    built = {
        "named_characters": metrics.build("named_characters"),
        "near_duplicate": metrics.build("near_duplicate", reference=reference),
        "face_present": metrics.build("face_present", weights=detector),
    }
    assert set(built) == set(GOVERNANCE)
    for flag in built.values():
        assert (flag.card.family, flag.card.direction, flag.card.range) == ("governance", "lower", (0.0, 1.0))
        assert flag.higher_is_better is False
