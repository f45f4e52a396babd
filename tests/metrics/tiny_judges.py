"""Tiny random vision-language models, written as folders of the Hugging Face hub with processor and chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = [
    "yes",
    "Yes",
    "YES",
    "no",
    "No",
    "NO",
    "is",
    "Is",
    "there",
    "a",
    "red",
    "shape",
    "in",
    "this",
    "video",
    "?",
    "These",
    "are",
    "frames",
    "of",
    "one",
    ",",
    "order",
    ".",
    "Answer",
    "with",
    "or",
    "only",
    "the",
    "The",
    "background",
    "white",
    "black",
    "square",
    "blue",
    "yellow",
    "green",
    "Does",
    "show",
    "what",
    "text",
    "describes",
    ":",
    "cat",
    "user",
    "assistant",
]
_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
}
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE {% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} assistant{% endif %}"
)


def write_llava(folder: Path, seed: int = 0) -> Path:
    """As the llava-hf models are laid out."""
    tokenizer = _tokenizer(["<image>"])
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=16,
            patch_size=8,
        ),
        text_config=transformers.LlamaConfig(vocab_size=len(tokenizer), **_TEXT),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_TEMPLATE.replace("IMAGE", "<image>"),
    )
    return _write(folder, seed, lambda: transformers.LlavaForConditionalGeneration(config), processor)


def write_qwen2_vl(folder: Path, seed: int = 0) -> Path:
    """As Qwen/Qwen2-VL-2B-Instruct is laid out."""
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = _tokenizer(marks)
    start, end, image, video = tokenizer.convert_tokens_to_ids(marks)
    config = transformers.Qwen2VLConfig(
        text_config={
            **_TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 2,
            "embed_dim": 16,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    sizes = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    processor = transformers.Qwen2VLProcessor(
        transformers.Qwen2VLImageProcessor(size=sizes),
        tokenizer,
        transformers.Qwen2VLVideoProcessor(size=sizes),
        chat_template=_TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return _write(folder, seed, lambda: transformers.Qwen2VLForConditionalGeneration(config), processor)


def _tokenizer(marks: list[str]) -> Any:
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(["<pad>", "<unk>", *WORDS]))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    return tokenizer


def _write(folder: Path, seed: int, build: Any, processor: Any) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
