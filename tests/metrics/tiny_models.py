"""Tiny random models, written as folders of the Hugging Face hub by `save_pretrained`, tokenizers included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

SIDE, PATCH, WIDTH = 32, 8, 32
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

_LAYERS = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_IMAGES = {**_LAYERS, "image_size": SIDE, "patch_size": PATCH}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_HAN = "一只红猫在冲浪蓝色的风筝飞圆形狗跑"


def write_clip(folder: Path, seed: int = 0, positions: int = 77) -> Path:
    """As openai/clip-vit-base-patch32 is laid out."""
    vocabulary = {letter: number for number, letter in enumerate(_LETTERS)}
    vocabulary |= {f"{letter}</w>": len(vocabulary) + number for number, letter in enumerate(_LETTERS)}
    vocabulary |= {"<|startoftext|>": len(vocabulary), "<|endoftext|>": len(vocabulary) + 1}
    tokenizer = transformers.CLIPTokenizer(vocabulary, [], model_max_length=positions)
    config = transformers.CLIPConfig(
        text_config={**_LAYERS, **_text(tokenizer), "max_position_embeddings": positions},
        vision_config=_IMAGES,
        projection_dim=16,
    )
    recipe = {"size": {"shortest_edge": SIDE}, "do_center_crop": True, "crop_size": SIDE, "resample": 3}
    return _write(folder, seed, lambda: transformers.CLIPModel(config), tokenizer, recipe, CLIP_MEAN, CLIP_STD)


def write_xclip(folder: Path, seed: int = 0, frames: int = 8) -> Path:
    """As microsoft/xclip-base-patch32 is laid out."""
    write_clip(folder, seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.XCLIPConfig(
        text_config={**_LAYERS, **_text(tokenizer), "max_position_embeddings": 77},
        vision_config={
            **_IMAGES,
            "num_frames": frames,
            "mit_hidden_size": 16,
            "mit_intermediate_size": 32,
            "mit_num_hidden_layers": 1,
            "mit_num_attention_heads": 2,
        },
        projection_dim=16,
        prompt_layers=1,
        prompt_num_attention_heads=2,
    )
    recipe = {
        "size": {"shortest_edge": SIDE},
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "resample": 2,
    }
    return _write(folder, seed, lambda: transformers.XCLIPModel(config), tokenizer, recipe, IMAGENET_MEAN, IMAGENET_STD)


def write_siglip(folder: Path, seed: int = 0) -> Path:
    """As google/siglip2-base-patch16-224 is laid out."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *_LETTERS, *_HAN]
    tokenizer = transformers.GemmaTokenizer({word: number for number, word in enumerate(dict.fromkeys(words))}, [])
    config = transformers.SiglipConfig(
        text_config={**_LAYERS, **_text(tokenizer), "max_position_embeddings": 64, "projection_size": WIDTH},
        vision_config=_IMAGES,
    )
    recipe = {"size": {"height": SIDE, "width": SIDE}, "resample": 2}
    return _write(folder, seed, lambda: transformers.SiglipModel(config), tokenizer, recipe, [0.5] * 3, [0.5] * 3)


def write_chinese_clip(folder: Path, seed: int = 0) -> Path:
    """As OFA-Sys/chinese-clip-vit-base-patch16 is laid out."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_HAN, *_LETTERS]
    tokenizer = transformers.BertTokenizer({word: number for number, word in enumerate(dict.fromkeys(words))})
    config = transformers.ChineseCLIPConfig(
        text_config={**_LAYERS, **_text(tokenizer), "max_position_embeddings": 96},
        vision_config=_IMAGES,
        projection_dim=16,
    )
    recipe = {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False, "resample": 3}
    return _write(folder, seed, lambda: transformers.ChineseCLIPModel(config), tokenizer, recipe, CLIP_MEAN, CLIP_STD)


def write_dino(folder: Path, seed: int = 0) -> Path:
    """As facebook/dino-vitb16 is laid out."""
    config = transformers.ViTConfig(**_IMAGES, layer_norm_eps=1e-12)
    recipe = {"size": SIDE, "resample": 2}
    model = lambda: transformers.ViTModel(config, add_pooling_layer=False)  # noqa: E731 - built under the seed
    return _write(folder, seed, model, None, recipe, IMAGENET_MEAN, IMAGENET_STD)


def write_dinov2(folder: Path, seed: int = 0) -> Path:
    """As facebook/dinov2-base is laid out: trained at another size than frames are shown at."""
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.Dinov2Config(**sizes, image_size=56, patch_size=PATCH, mlp_ratio=2)
    recipe = {
        "size": {"shortest_edge": 36},
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "resample": 3,
    }
    return _write(folder, seed, lambda: transformers.Dinov2Model(config), None, recipe, IMAGENET_MEAN, IMAGENET_STD)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "clip-vit-base-patch32": write_clip,
    "siglip2-base-patch16-224": write_siglip,
    "chinese-clip-vit-base-patch16": write_chinese_clip,
    "xclip-base-patch32": write_xclip,
    "dino-vitb16": write_dino,
    "dinov2-base": write_dinov2,
}
"""Names of published weights -> what writes a tiny model of that kind."""


def _text(tokenizer: Any) -> dict[str, int]:
    marks = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    known = {f"{mark}_token_id": number for mark, number in marks.items() if number is not None}
    return {"vocab_size": len(tokenizer), **known}


def _write(
    folder: Path,
    seed: int,
    build: Callable[[], Any],
    tokenizer: Any,
    recipe: dict[str, Any],
    mean: list[float],
    std: list[float],
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
        # Fresh layers are so small that all inputs look alike; spread them out to tell inputs apart.
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    stated = {"do_resize": True, "do_normalize": True, "image_mean": mean, "image_std": std, **recipe}
    (folder / "preprocessor_config.json").write_text(json.dumps(stated), encoding="utf-8")
    return folder
