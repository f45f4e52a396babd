"""The aesthetic head: its formula written out on CLIP's own embedding, both profiles, weights that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import clips
import pytest
import torch
import transformers
from tiny_models import write_clip

import metrics
from metrics.aesthetic import HEAD
from metrics.backbones.frame_encoder import find_encoder
from metrics.errors import MetricError, UnavailableMetricError

WIDTH = 16
"""Of the embedding of the tiny CLIP."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with a tiny CLIP and a head, as published: a state dict of one linear layer."""
    write_clip(tmp_path / "clip-vit-large-patch14")
    head(tmp_path, WIDTH)
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    return tmp_path


def head(folder: Path, width: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = {"weight": 5 * torch.randn(1, width, generator=generator), "bias": torch.tensor([4.5])}
    torch.save(state, folder / HEAD)
    return state


def value(**options: str) -> float:
    metric = metrics.build("aesthetic_quality", **options)
    metric.update(clips.batch(2))
    return float(metric.compute())


@pytest.mark.parametrize("profile", ["strict", "vbench"])
def test_the_value_is_that_of_the_head_on_clip_s_own_embedding(folder: Path, profile: str):
    state = head(folder, WIDTH)
    model = transformers.CLIPModel.from_pretrained(folder / "clip-vit-large-patch14").eval()
    recipe = find_encoder("clip-vit-large-patch14", profile).recipe
    pixels = recipe.apply(clips.batch(2).flatten(0, 1))
    with torch.no_grad():
        features = model.get_image_features(pixel_values=pixels)
        features = getattr(features, "pooler_output", features)
        ratings = torch.nn.functional.linear(torch.nn.functional.normalize(features), state["weight"], state["bias"])
    assert value(profile=profile) == pytest.approx(float(ratings.mean()) / 10, rel=1e-5)


def test_profile_and_weights_are_in_the_id(folder: Path):
    strict, theirs = (metrics.build("aesthetic_quality", profile=profile).card for profile in ("strict", "vbench"))
    assert theirs.id == f"{strict.id}-vbench"
    before = value()
    head(folder, WIDTH, seed=1)
    other = metrics.build("aesthetic_quality").card
    assert (other.policy, other.weights_hash != strict.weights_hash) == (strict.policy, True)
    assert value() != pytest.approx(before, abs=1e-3)


def test_the_order_of_frames_does_not_matter_and_parts_have_the_value_of_the_whole(folder: Path):
    metric, clip = metrics.build("aesthetic_quality"), clips.moving(frames=40)
    whole = metrics.score_view(metrics.ClipView(clip), {"": metric})[""]
    stream = metrics.ClipStream({"": metric}, frames=40)
    for part in clip.split(7):
        stream.add(part)
    assert stream.scores()[""] == whole
    backwards = metrics.score_view(metrics.ClipView(clip.flip(0)), {"": metric})[""]
    assert backwards.value == pytest.approx(whole.value, rel=1e-5)


def test_weights_that_lack_or_do_not_fit_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(MetricError, match="profile must be 'strict' or 'vbench', got 'theirs'"):
        value(profile="theirs")
    head(folder, WIDTH + 1)
    with pytest.raises(UnavailableMetricError, match=f"(?s)does not hold the weights {HEAD}: .*size mismatch"):
        value()
    (folder / HEAD).unlink()
    assert f"stepbench weights pull {HEAD}" in metrics.METRICS["aesthetic_quality"].unavailable()
    with pytest.raises(UnavailableMetricError, match=f"stepbench weights pull {HEAD}"):
        value()
    head(folder, WIDTH)
    shutil.rmtree(folder / "clip-vit-large-patch14")
    assert "stepbench weights pull clip-vit-large-patch14" in metrics.METRICS["aesthetic_quality"].unavailable()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(UnavailableMetricError, match="aesthetic_quality needs a CLIP, and its model_type is 'vit'"):
        value(weights=str(tmp_path / "other"))
