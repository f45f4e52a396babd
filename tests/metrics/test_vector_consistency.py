"""Subject and background consistency: the formula by hand, VBench's networks in plain torch, both profiles."""

from __future__ import annotations

import math

import clips
import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from tiny_models import IMAGENET_MEAN, IMAGENET_STD, PATCH, WIDTH, write_dino

import metrics
from metrics.backbones.frame_encoder import dino_positions, find_encoder
from metrics.errors import ClipError, MetricError, UnavailableMetricError
from metrics.functional.vector_consistency import vector_consistency

NAMES = ("subject_consistency", "background_consistency")


def value(name: str, preds: torch.Tensor, **options) -> float:
    metric = metrics.build(name, **options)
    metric.update(preds)
    return float(metric.compute())


def test_the_formula_by_hand():
    # Frames at 0, 60 and 180 degrees. Frame 2: cos 60 to both, 0.5. Frame 3: cos 120 to its neighbour and cos 180 to
    # the first, both clipped to 0. Mean of 0.5 and 0.
    angles = [math.radians(degrees) for degrees in (0, 60, 180)]
    vectors = torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles])
    assert vector_consistency(vectors) == pytest.approx(0.25)
    assert vector_consistency(5 * vectors) == pytest.approx(0.25)
    assert vector_consistency(vectors[[0, 0, 0]]) == pytest.approx(1)
    with pytest.raises(ClipError, match="needs at least 2 frames, got 1"):
        vector_consistency(vectors[:1])


def original_dino(tensors: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """The class token of DINO's ViT, written out after the paper's code, for one image of any size."""
    grid = [side // PATCH for side in pixels.shape[-2:]]

    def linear(values: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def norm(values: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(values, (WIDTH,), tensors[f"{name}.weight"], tensors[f"{name}.bias"], eps=1e-6)

    patches = F.conv2d(
        pixels[None],
        tensors["embeddings.patch_embeddings.projection.weight"],
        tensors["embeddings.patch_embeddings.projection.bias"],
        stride=PATCH,
    )
    tokens = torch.cat([tensors["embeddings.cls_token"], patches.flatten(2).mT], dim=1)
    table = tensors["embeddings.position_embeddings"]
    square = table[:, 1:].reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    factor = ((grid[0] + 0.1) / 4, (grid[1] + 0.1) / 4)
    resampled = F.interpolate(square, scale_factor=factor, mode="bicubic").permute(0, 2, 3, 1).reshape(1, -1, WIDTH)
    tokens = tokens + torch.cat([table[:, :1], resampled], dim=1)
    for block in (0, 1):
        layer = f"encoder.layer.{block}"
        before = norm(tokens, f"{layer}.layernorm_before")
        q, k, v = (
            linear(before, f"{layer}.attention.attention.{part}").unflatten(-1, (2, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        looked = (q @ k.mT / math.sqrt(WIDTH / 2)).softmax(-1) @ v
        tokens = tokens + linear(looked.transpose(1, 2).flatten(2), f"{layer}.attention.output.dense")
        inner = F.gelu(linear(norm(tokens, f"{layer}.layernorm_after"), f"{layer}.intermediate.dense"))
        tokens = tokens + linear(inner, f"{layer}.output.dense")
    return norm(tokens, "layernorm")[0, 0]


def test_vbench_subject_consistency_is_the_original_network_on_whole_wide_frames(weights):
    clip = clips.moving(1, frames=4, side=90)[:, :, :50]
    tensors = load_file(weights / "dino-vitb16" / "model.safetensors")
    size = (32, 32 * 90 // 50)
    pixels = F.interpolate(clip.float(), size, mode="bilinear", align_corners=False) / 255
    pixels = (pixels - torch.tensor(IMAGENET_MEAN)[:, None, None]) / torch.tensor(IMAGENET_STD)[:, None, None]
    vectors = torch.stack([original_dino(tensors, frame) for frame in pixels])
    encoder = find_encoder("dino-vitb16", "vbench")
    assert torch.allclose(encoder.embed_clip(clip), F.normalize(vectors.double(), dim=-1), atol=1e-5)
    terms = [
        (max(0.0, float(F.cosine_similarity(vectors[t], vectors[t - 1], dim=0))))
        + max(0.0, float(F.cosine_similarity(vectors[t], vectors[0], dim=0)))
        for t in range(1, 4)
    ]
    assert value("subject_consistency", clip[None], profile="vbench") == pytest.approx(sum(terms) / 6, abs=1e-5)


def test_strict_subject_consistency_is_transformers_own_vit(weights):
    clip = clips.moving(1, frames=3, side=90)[:, :, :50]
    encoder = find_encoder("dino-vitb16", "strict")
    model = transformers.ViTModel.from_pretrained(weights / "dino-vitb16", add_pooling_layer=False).eval()
    with torch.no_grad():
        hidden = model(pixel_values=encoder.recipe.apply(clip), interpolate_pos_encoding=True).last_hidden_state
    assert torch.allclose(encoder.embed_clip(clip), F.normalize(hidden[:, 0].double(), dim=-1), atol=1e-6)
    assert not torch.allclose(
        encoder.embed_clip(clip), find_encoder("dino-vitb16", "vbench").embed_clip(clip), atol=1e-3
    )


def test_dinov2_is_transformers_own(weights):
    clip = clips.moving(1, frames=3, side=60)[:, :, :40]
    encoder = find_encoder("dinov2-base", "strict")
    model = transformers.Dinov2Model.from_pretrained(weights / "dinov2-base").eval()
    with torch.no_grad():
        expected = model(pixel_values=encoder.recipe.apply(clip)).pooler_output.double()
    assert torch.allclose(encoder.embed_clip(clip), F.normalize(expected, dim=-1), atol=1e-6)
    assert encoder.policy == "all-short32-bicubic"


def test_positions_of_the_trained_grid_stay(weights):
    square = clips.moving(1, frames=2, side=32)
    assert torch.allclose(
        find_encoder("dino-vitb16", "vbench").embed_clip(square),
        find_encoder("dino-vitb16", "strict").embed_clip(square),
        atol=1e-5,
    )
    table = torch.arange(17.0).reshape(1, 17, 1)
    assert dino_positions(table, (2, 6)).shape == (1, 13, 1)
    assert dino_positions(table, (2, 6))[0, 0] == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("profile", ["strict", "vbench"])
def test_stills_are_ideal_and_other_frames_are_not(weights, name, profile):
    still = clips.still(0)[None]
    assert value(name, still, profile=profile) == pytest.approx(1, abs=1e-6)
    cut = torch.cat([clips.still(0, frames=3), clips.still(5, frames=3)])[None]
    assert value(name, cut, profile=profile) < 0.999


@pytest.mark.parametrize("name", NAMES)
def test_profiles_never_share_an_id(weights, name):
    strict, vbench = metrics.build(name).card, metrics.build(name, profile="vbench").card
    assert strict.id != vbench.id
    assert vbench.policy.endswith("-vbench")
    assert strict.weights_hash == vbench.weights_hash


@pytest.mark.parametrize("name", NAMES)
def test_the_vbench_profile_has_a_name_for_runs(weights, name):
    named, by_option = metrics.build(f"vbench_{name}"), metrics.build(name, profile="vbench")
    assert named.card.id == f"vbench_{by_option.card.id}"
    assert value(f"vbench_{name}", clips.batch(2)) == value(name, clips.batch(2), profile="vbench")
    assert value(f"vbench_{name}", clips.batch(2)) != value(name, clips.batch(2))


@pytest.mark.parametrize("name", NAMES)
def test_batches_order_and_shards_do_not_matter(weights, name):
    preds = clips.batch(3)
    together = value(name, preds)
    one_by_one = metrics.build(name)
    for place in (2, 0, 1):
        one_by_one.update(preds[place : place + 1])
    assert float(one_by_one.compute()) == pytest.approx(together, rel=1e-9)
    shard = metrics.build(name)
    shard.update(preds[:1])
    rest = metrics.build(name)
    rest.update(preds[1:])
    shard.merge_state(rest)
    assert float(shard.compute()) == pytest.approx(together, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_single_frames_and_odd_profiles_are_refused(weights, name):
    with pytest.raises(ClipError, match=f"{name} needs at least 2 frames, got a clip of 1"):
        metrics.build(name).update(clips.batch(1)[:, :1])
    with pytest.raises(MetricError, match="profile must be 'strict' or 'vbench', got 'loose'"):
        metrics.build(name, profile="loose")


def test_vbench_has_no_dinov2(weights):
    with pytest.raises(MetricError, match="VBench has no DINOv2"):
        metrics.build("subject_consistency", weights="dinov2-base", profile="vbench")


def test_weights_of_another_kind_or_none_are_refused(weights, tmp_path, monkeypatch):
    with pytest.raises(UnavailableMetricError, match="model_type 'siglip' is not one of vit, dinov2, clip"):
        metrics.build("subject_consistency", weights="siglip2-base-patch16-224")
    write_dino(tmp_path / "my-dino", seed=3)
    assert metrics.build("subject_consistency", weights=tmp_path / "my-dino").card.backbone == "my-dino"
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(UnavailableMetricError, match="stepbench weights pull dino-vitb16"):
        metrics.build("subject_consistency")
