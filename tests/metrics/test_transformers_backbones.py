"""Video models of the `transformers` library from folders: tiny ones with random weights, in the real format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    TimesformerConfig,
    TimesformerModel,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessor,
    VideoMAEVideoProcessor,
    VivitConfig,
    VivitForVideoClassification,
    VivitImageProcessor,
    VivitModel,
    VJEPA2Config,
    VJEPA2Model,
    VJEPA2VideoProcessor,
)

from metrics.backbones import load_backbone
from metrics.errors import ClipError, MetricError, UnavailableMetricError

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CLIP = {"image_size": 32, "num_frames": 4}
PROCESSOR = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def distance(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual - expected).norm() / expected.norm())


def written(model: torch.nn.Module, folder: Path, processor: object | None = None) -> torch.nn.Module:
    """The model with weights that are far from those it starts with, as its folder now has them."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    model.eval().save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return model


def videomae(folder: Path, kind: type = VideoMAEForVideoClassification, **changes: object) -> torch.nn.Module:
    config = VideoMAEConfig(**{**SIZES, **CLIP, "patch_size": 16, "tubelet_size": 2, "num_labels": 5, **changes})
    return written(kind(config), folder, VideoMAEVideoProcessor(**PROCESSOR))


def as_trained(clip: Tensor) -> Tensor:
    """Frames squashed to 32x32 and normalised by the statistics of ImageNet, written out."""
    small = F.interpolate(clip.float(), (32, 32), mode="bilinear", align_corners=False) / 255
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (small - mean[:, None, None]) / spread[:, None, None]


def test_videomae_pools_tokens_and_normalises_as_its_classifier_does(weights_folder: Path, capfd):
    folder = weights_folder / "videomae-base-ssv2"
    model = videomae(folder)
    capfd.readouterr()
    backbone = load_backbone("videomae")
    assert capfd.readouterr() == ("", ""), "what fits needs no report"
    clips = noise(2, 6, 3, 20, 44)
    features = backbone.features(clips)
    assert features.shape == (2, backbone.dimensions) == (2, 24)
    pixels = torch.stack([as_trained(clip[:4]) for clip in clips])
    with torch.no_grad():
        # What the classifier's last layer makes of the features are the model's own logits.
        assert distance(model.classifier(features), model(pixels).logits) < 1e-5
    assert distance(backbone.features(clips[1:]), features[1:]) < 1e-5
    assert (backbone.name, backbone.policy) == ("videomae", "4f-32-bilinear")
    assert len(backbone.weights_hash) == 12
    with pytest.raises(ClipError, match="videomae needs at least 4 frames, got a clip of 3"):
        backbone.features(clips[:, :3])
    with pytest.raises(ClipError, match="must be uint8"):
        backbone.features(clips.float())


def test_videomae_without_a_classifier_pools_tokens(tmp_path: Path, capfd):
    model = videomae(tmp_path, VideoMAEForPreTraining)
    clips = noise(1, 4, 3, 32, 32)
    capfd.readouterr()
    features = load_backbone("videomae", folder=str(tmp_path)).features(clips)
    assert capfd.readouterr() == ("", ""), "that a classifier is missing is no news"
    with torch.no_grad():
        expected = model.videomae(pixel_values=as_trained(clips[0])[None]).last_hidden_state.mean(dim=1)
    assert distance(features, expected) < 1e-5


def test_the_hash_follows_weights_and_configuration(tmp_path: Path):
    videomae(tmp_path)
    before = load_backbone("videomae", folder=str(tmp_path)).weights_hash
    (tmp_path / "README.md").write_text("nothing that matters")
    assert load_backbone("videomae", folder=str(tmp_path)).weights_hash == before
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "layer_norm_eps": 1e-6}))
    assert load_backbone("videomae", folder=str(tmp_path)).weights_hash != before


def test_videomae_that_is_not_there_names_the_command(weights_folder: Path):
    with pytest.raises(UnavailableMetricError, match="stepbench weights pull videomae-base-ssv2"):
        load_backbone("videomae")


def test_weights_that_are_missing_are_never_made_up(tmp_path: Path):
    videomae(tmp_path, num_hidden_layers=1)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_hidden_layers": 2}))
    for name, options in (("videomae", {"folder": str(tmp_path)}), (f"transformers:{tmp_path}", {})):
        with pytest.raises(UnavailableMetricError, match=r"VideoMAE.*: .*layer\.1\..* is missing"):
            load_backbone(name, **options)
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_hidden_layers": 1, "hidden_size": 26}))
    with pytest.raises(UnavailableMetricError, match=r"classifier\.weight has another shape"):
        load_backbone("videomae", folder=str(tmp_path))


def test_any_video_model_with_its_own_processor(tmp_path: Path):
    processor = VideoMAEVideoProcessor(**PROCESSOR, image_mean=[0.1, 0.2, 0.3])
    config = TimesformerConfig(**SIZES, **CLIP, patch_size=16)
    model = written(TimesformerModel(config), tmp_path, processor)
    backbone = load_backbone(f"transformers:{tmp_path}")
    clips = noise(2, 7, 3, 40, 64)
    features = backbone.features(clips)
    with torch.no_grad():
        inputs = processor(list(clips[:, :4]), return_tensors="pt")
        expected = model(**inputs).last_hidden_state.mean(dim=1)
    assert distance(features, expected) < 1e-5
    assert distance(backbone.features(clips[1:]), features[1:]) < 1e-5
    assert (backbone.name, backbone.policy) == (f"transformers:{tmp_path.name}", "4f-processor")
    with pytest.raises(ClipError, match=r"transformers:.* needs at least 4 frames, got a clip of 2"):
        backbone.features(clips[:, :2])


def test_image_processors_serve_where_there_is_no_other(tmp_path: Path):
    model = videomae(tmp_path)
    for file in tmp_path.glob("*processor*"):
        file.unlink()
    VideoMAEImageProcessor(**PROCESSOR).save_pretrained(tmp_path)
    clips = noise(1, 4, 3, 32, 32)
    features = load_backbone(f"transformers:{tmp_path}").features(clips)
    with torch.no_grad():
        expected = model.videomae(pixel_values=(clips / 255 - 0.5) / 0.5).last_hidden_state.mean(dim=1)
    assert distance(features, expected) < 1e-5


def test_pooled_output_is_taken_only_where_its_weights_are_there(tmp_path: Path):
    config = VivitConfig(**SIZES, **CLIP, tubelet_size=[2, 16, 16])
    processor = VivitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    clips = noise(1, 4, 3, 32, 32)
    for name, kind, pooled in (("whole", VivitModel, True), ("classifier", VivitForVideoClassification, False)):
        model = written(kind(config), tmp_path / name, processor)
        features = load_backbone(f"transformers:{tmp_path / name}").features(clips)
        encoder = model if pooled else model.vivit
        with torch.no_grad():
            output = encoder(**processor([list(clips[0])], return_tensors="pt"))
        expected = output.pooler_output if pooled else output.last_hidden_state.mean(dim=1)
        assert distance(features, expected) < 1e-5


def test_models_that_take_any_number_of_frames(tmp_path: Path):
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "pred_hidden_size": 24}
    sizes |= {"pred_num_hidden_layers": 1, "pred_num_attention_heads": 2, "pred_num_mask_tokens": 2}
    config = VJEPA2Config(**sizes, crop_size=32, patch_size=16, tubelet_size=2, frames_per_clip=4)
    processor = VJEPA2VideoProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    model = written(VJEPA2Model(config), tmp_path, processor)
    clips = noise(1, 6, 3, 32, 40)
    assert load_backbone(f"transformers:{tmp_path}").policy == "4f-processor"
    backbone = load_backbone(f"transformers:{tmp_path}", frames=6)
    with torch.no_grad():
        inputs = processor(list(clips), return_tensors="pt", do_sample_frames=False)
        expected = model(**inputs).last_hidden_state.mean(dim=1)
    assert distance(backbone.features(clips), expected) < 1e-5
    assert backbone.policy == "6f-processor"


def test_what_is_no_model_folder_is_named(tmp_path: Path):
    with pytest.raises(UnavailableMetricError, match=r"nowhere is no folder of a transformers model"):
        load_backbone("transformers:nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UnavailableMetricError, match="cannot be loaded with transformers: "):
        load_backbone(f"transformers:{tmp_path}")


def test_a_folder_without_processor_or_frames_is_named(tmp_path: Path):
    videomae(tmp_path)
    for file in tmp_path.glob("*processor*"):
        file.unlink()
    with pytest.raises(UnavailableMetricError, match="cannot be loaded with transformers: "):
        load_backbone(f"transformers:{tmp_path}")


def test_a_model_of_videos_and_texts_is_no_encoder(tmp_path: Path):
    from transformers import CLIPConfig, CLIPModel

    towers = {part: SIZES for part in ("text_config", "vision_config")}
    written(CLIPModel(CLIPConfig(**towers, projection_dim=8)), tmp_path)
    with pytest.raises(UnavailableMetricError, match="holds a CLIPModel, which does not turn videos alone"):
        load_backbone(f"transformers:{tmp_path}")


def test_the_number_of_frames_must_come_from_somewhere(tmp_path: Path):
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    written(ViTModel(ViTConfig(**SIZES, image_size=32)), tmp_path, ViTImageProcessor(size={"height": 32, "width": 32}))
    with pytest.raises(MetricError, match="does not say how many frames the model takes"):
        load_backbone(f"transformers:{tmp_path}")
    with pytest.raises(MetricError, match="frames must be a whole number of at least 1, got 0"):
        load_backbone(f"transformers:{tmp_path}", frames=0)
