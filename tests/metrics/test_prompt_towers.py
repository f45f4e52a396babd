"""Published image-text networks read from a folder give the numbers of `transformers` itself."""

from __future__ import annotations

import json
import shutil

import clips
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import write_clip, write_xclip

from metrics.backbones.hub_towers import middle_frames
from metrics.backbones.prompt_tower import find_tower
from metrics.backbones.published_model import PublishedModel, open_folder
from metrics.errors import ClipError, UnavailableMetricError, UndefinedScoreError

NAMES = {
    "clip-vit-base-patch32": (
        transformers.CLIPModel,
        transformers.CLIPImageProcessorPil,
        "a cat surfing",
        "a red kite in the wind",
    ),
    "siglip2-base-patch16-224": (
        transformers.SiglipModel,
        transformers.SiglipImageProcessorPil,
        "a red kite",
        "红色的风筝",
    ),
    "chinese-clip-vit-base-patch16": (
        transformers.ChineseCLIPModel,
        transformers.ChineseCLIPImageProcessorPil,
        "一只猫在冲浪",
        "红色的风筝",
    ),
}
CLIP = clips.moving(2, frames=5, side=48)[..., :40]


@pytest.mark.parametrize("name", NAMES)
def test_cosines_are_the_model_s_own_logits(weights, name):
    # The whole model at once, with its own image processor, is the oracle; we only ever call the towers one by one.
    model_class, processor_class, *texts = NAMES[name]
    model = model_class.from_pretrained(weights / name).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights / name)
    processor = processor_class.from_pretrained(weights / name)
    pixels = processor(list(CLIP), return_tensors="pt")["pixel_values"]
    filled = {"padding": "max_length", "max_length": 64, "padding_side": "right"}
    tokens = tokenizer(texts, return_tensors="pt", **(filled if "siglip" in name else {"padding": True}))
    inputs = {"input_ids": tokens["input_ids"], "pixel_values": pixels}
    if "siglip" not in name:
        inputs["attention_mask"] = tokens["attention_mask"]
    with torch.no_grad():
        logits = model(**inputs).logits_per_image - getattr(model, "logit_bias", 0.0)
    expected = (logits / model.logit_scale.exp()).double()
    tower = find_tower(name)
    ours = tower.embed_clip(CLIP) @ torch.stack([tower.embed_text(text) for text in texts]).T
    assert torch.allclose(ours, expected, atol=4e-3)  # a level in a hundred differs by one
    assert ours.std() > 0.05


def test_the_tower_itself_is_exact_on_equal_pixels(weights):
    name = "clip-vit-base-patch32"
    tower = find_tower(name)
    model = transformers.CLIPModel.from_pretrained(weights / name).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights / name)
    tokens = tokenizer(["a cat surfing"], return_tensors="pt")
    with torch.no_grad():
        output = model(pixel_values=tower.folder.recipe.apply(CLIP), **tokens)
    expected = (output.logits_per_image / model.logit_scale.exp())[:, 0].double()
    assert torch.allclose(tower.embed_clip(CLIP) @ tower.embed_text("a cat surfing"), expected, atol=1e-6)


def test_xclip_is_its_two_towers_over_eight_middle_frames(weights):
    name = "xclip-base-patch32"
    clip = clips.moving(4, frames=17)
    tower = find_tower(name)
    model = transformers.XCLIPModel.from_pretrained(weights / name).eval()
    processor = transformers.CLIPImageProcessorPil.from_pretrained(weights / name)
    chosen = clip[[1, 3, 5, 7, 9, 11, 13, 15]]
    pixels = processor(list(chosen), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model.get_video_features(pixel_values=pixels[None]).pooler_output[0].double()
    ours = tower.embed_clip(clip)
    assert ours.shape == (1, 16)
    assert torch.allclose(ours[0], expected / expected.norm(), atol=2e-3)
    with pytest.raises(ClipError, match="xclip-base-patch32 needs at least 8 frames, got a clip of 7"):
        tower.embed_clip(clip[:7])


def test_xclip_takes_the_frames_that_its_config_says(tmp_path):
    write_xclip(tmp_path / "x", frames=4)
    tower = find_tower(tmp_path / "x")
    assert tower.policy == "4mid-short32-bilinear-crop32-towers"
    assert tower.embed_clip(clips.moving(0, frames=4)).shape == (1, 16)


@pytest.mark.parametrize(
    ("frames", "wanted", "chosen"),
    [(8, 8, [0, 1, 2, 3, 4, 5, 6, 7]), (16, 8, [1, 3, 5, 7, 9, 11, 13, 15]), (10, 3, [1, 5, 8]), (9, 1, [4])],
)
def test_middles_of_equal_parts(frames, wanted, chosen):
    assert middle_frames(frames, wanted) == chosen


@pytest.mark.parametrize("name", [*NAMES, "xclip-base-patch32", "shapes"])
def test_frames_and_texts_do_not_depend_on_their_neighbours(weights, name):
    tower = find_tower(name)
    text = "一只红的圆形" if "chinese" in name else "A small red circle moves left"
    text = "A small red circle stays still on a black background." if name == "shapes" else text
    clip = clips.moving(0, frames=40, side=32)
    whole = tower.embed_clip(clip)
    assert torch.allclose(whole.norm(dim=1), torch.ones(len(whole), dtype=torch.float64))
    if len(whole) > 1:
        assert torch.allclose(tower.embed_clip(clip[37:38])[0], whole[37], atol=1e-6)
    assert torch.equal(tower.embed_clip(clip), whole)
    again = find_tower(name).embed_text(text)
    assert torch.equal(again, tower.embed_text(text))
    assert again.shape == (whole.shape[1],)


@pytest.mark.parametrize(
    ("name", "text", "cut"),
    [
        ("clip-vit-base-patch32", "a" * 75, 0),
        ("clip-vit-base-patch32", "a" * 80, 5),
        ("xclip-base-patch32", "a" * 76, 1),
        ("siglip2-base-patch16-224", "a" * 70, 6),
        ("chinese-clip-vit-base-patch16", "红" * 50, 0),
        ("chinese-clip-vit-base-patch16", "红" * 60, 10),
        ("shapes", "red " * 70, 6),
    ],
)
def test_what_is_cut_off_is_counted_and_has_no_say(weights, name, text, cut):
    tower = find_tower(name)
    # One token per letter or word, and marks of beginning and end where the tower has them.
    assert tower.tokens_cut(text) == cut
    if cut > 1:
        other_end = text[:-2] + ("猫" * 2 if "红" in text else "bb") if name != "shapes" else text + "blue"
        assert torch.equal(tower.embed_text(text), tower.embed_text(other_end))
    assert not torch.equal(tower.embed_text(text), tower.embed_text(text[: len(text) // 4]))


def test_english_towers_refuse_chinese_and_the_other_way_round(weights):
    english = find_tower("clip-vit-base-patch32")
    with pytest.raises(
        UndefinedScoreError, match=r"clip-vit-base-patch32 reads English only(.|\n)*siglip_score"
    ) as info:
        english.check_text("a 红 kite")
    assert "holds '红'" in str(info.value)
    for text in ("ひらがな", "カタカナ", "한국어"):
        with pytest.raises(UndefinedScoreError, match="reads English only"):
            find_tower("xclip-base-patch32").check_text(text)
    with pytest.raises(UndefinedScoreError, match=r"reads Chinese only(.|\n)*clip_score or siglip_score"):
        find_tower("chinese-clip-vit-base-patch16").check_text("a red kite")
    english.check_text("naïve café")
    find_tower("chinese-clip-vit-base-patch16").check_text("一只猫 surfing")
    for text in ("a red kite", "红色的风筝"):
        find_tower("siglip2-base-patch16-224").check_text(text)


def test_siglip_reads_lower_case(weights):
    tower = find_tower("siglip2-base-patch16-224")
    assert torch.equal(tower.embed_text("A Red Kite"), tower.embed_text("a red kite"))


def test_the_shapes_tower_refuses_words_of_other_worlds():
    with pytest.raises(UndefinedScoreError, match="knows the moving-shapes world only, and not 'surfing', 'cat'"):
        find_tower("shapes").check_text("surfing cat")


def test_the_same_tower_is_loaded_once(weights):
    assert find_tower("clip-vit-base-patch32") is find_tower("clip-vit-base-patch32")
    assert find_tower("shapes") is find_tower("shapes")


def test_the_hash_follows_every_file_that_can_change_a_number(tmp_path):
    folder = write_clip(tmp_path / "clip")
    before = PublishedModel(folder, "clip").hash
    assert PublishedModel(folder, "other name").hash == before
    (folder / "README.md").write_text("of no account")
    assert PublishedModel(folder, "clip").hash == before
    config = folder / "preprocessor_config.json"
    config.write_text(config.read_text().replace("0.48145466", "0.5"))
    assert PublishedModel(folder, "clip").hash != before


def test_missing_weights_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(
        UnavailableMetricError, match=r"(?s)not at .*run `stepbench weights pull clip-vit-base-patch32`"
    ):
        find_tower("clip-vit-base-patch32")
    with pytest.raises(UnavailableMetricError, match="no weights called 'clip-vit-b-32', nor such a folder"):
        find_tower("clip-vit-b-32")


def test_a_folder_of_another_kind_is_refused(weights, tmp_path):
    with pytest.raises(
        UnavailableMetricError, match="model_type 'vit' is not one of clip, siglip, chinese_clip, xclip"
    ):
        find_tower("dino-vitb16")
    with pytest.raises(UnavailableMetricError, match=r"config\.json cannot be read"):
        find_tower(tmp_path)


def test_pickled_weights_are_not_opened(tmp_path):
    folder = write_clip(tmp_path / "clip")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    tower = find_tower(folder)
    with pytest.raises(UnavailableMetricError, match="pickled weights are not opened"):
        tower.embed_text("a cat")


def test_weights_that_lack_a_tensor_are_refused(tmp_path):
    folder = write_clip(tmp_path / "clip")
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        UnavailableMetricError, match=r"lack 1 tensors of the network, such as visual_projection\.weight"
    ):
        find_tower(folder).embed_text("a cat")


def test_damaged_weights_are_named(tmp_path):
    folder = write_clip(tmp_path / "clip")
    (folder / "model.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(UnavailableMetricError, match="cannot be used: "):
        find_tower(folder).embed_text("a cat")


def test_a_missing_package_is_named_with_the_extra(weights):
    class NeedsMore:
        @staticmethod
        def from_pretrained(*args, **options):
            raise ImportError("this processor requires torchvision\nand more words")

    with pytest.raises(UnavailableMetricError, match=r"(?s)requires torchvision\n.*pip install 'stepbench\[judges\]'"):
        open_folder("clip-vit-base-patch32").load_part(NeedsMore)


def test_half_precision_weights_are_computed_in_full(tmp_path):
    folder = write_clip(tmp_path / "clip")
    tensors = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config))
    model = find_tower(folder).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training


@pytest.mark.parametrize("name", ["clip-vit-base-patch32", "xclip-base-patch32"])
def test_the_caller_s_autocast_changes_nothing(weights, name):
    clip = clips.moving(0, frames=8)
    plain = find_tower(name).embed_clip(clip), find_tower(name).embed_text("a red kite")
    find_tower(name)._texts.clear()
    with torch.autocast("cpu", torch.bfloat16):
        cast = find_tower(name).embed_clip(clip), find_tower(name).embed_text("a red kite")
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))
    assert not any(vectors.requires_grad for vectors in cast)


def test_a_name_or_a_folder_opens_the_same(weights, tmp_path):
    named = open_folder("clip-vit-base-patch32")
    copy = shutil.copytree(weights / "clip-vit-base-patch32", tmp_path / "copy")
    assert named.hash == open_folder(copy).hash
    assert open_folder(copy).name == "copy"
