"""Builds a folder in the released layout: small models in the real file formats, tokenizers trained on the spot."""

from __future__ import annotations

import io
import json
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers.implementations import BertWordPieceTokenizer

from reference_model.checkpoint import save_weights
from reference_model.config import ClipConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

SENTENCES = [
    f"a {size} {colour} {shape} moves {way}"
    for size in ("small", "large")
    for colour in ("red", "green", "blue")
    for shape in ("circle", "square")
    for way in ("left", "right", "up")
] + [
    f"一个{size}{colour}的{shape}向{way}移动"
    for size in "小大"
    for colour in "红绿蓝"
    for shape in "圆方"
    for way in "左右上"
]


def write(file: Path, values: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values), encoding="utf-8")


def train_tokenizers(root: Path) -> tuple[int, int]:
    """Trains both tokenizers; returns the sizes of their vocabularies."""
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=pieces,
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
    )
    (root / "step_llm").mkdir(parents=True)
    (root / "step_llm" / "step1_chat_tokenizer.model").write_bytes(pieces.getvalue())
    words = BertWordPieceTokenizer(lowercase=True)
    words.train_from_iterator(SENTENCES, vocab_size=200, min_frequency=1, show_progress=False)
    (root / "hunyuan_clip" / "tokenizer").mkdir(parents=True)
    vocabulary = sorted(words.get_vocab(), key=words.get_vocab().__getitem__)
    (root / "hunyuan_clip" / "tokenizer" / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    llm_size = sentencepiece.SentencePieceProcessor(model_proto=pieces.getvalue()).vocab_size()
    return llm_size, len(vocabulary)


def build_released_folder(root: Path) -> Path:
    """What a download would be, at a small size. Written without the code under test, apart from the modules."""
    llm_size, clip_size = train_tokenizers(root)
    torch.manual_seed(0)

    transformer = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 2,
        "in_channels": 2,
        "out_channels": 2,
        "caption_channels": [32, 16],
    }
    model = StepVideoTransformer(TransformerConfig(**transformer)).bfloat16()
    save_weights(model, root / "transformer", "diffusion_pytorch_model", shard_bytes=30_000)
    write(root / "transformer" / "config.json", {"_class_name": "StepVideoModel", "norm_eps": 1e-6, **transformer})

    vae = {
        "enc_ch": 2,
        "enc_ch_mult": [2, 4, 8, 8],
        "dec_ch": 2,
        "dec_ch_mult": [1, 2, 4, 4],
        "z_channels": 2,
        "groups": 2,
    }
    (root / "vae").mkdir()
    save_file(VideoVAE(VAEConfig(**vae)).bfloat16().state_dict(), root / "vae" / "vae_v2.safetensors")
    write(root / "vae" / "config.json", vae)

    llm = {
        "hidden_size": 32,
        "num_layers": 2,
        "num_attention_heads": 4,
        "num_attention_groups": 2,
        "ffn_hidden_size": 64,
        "padded_vocab_size": llm_size,
    }
    save_weights(StepLLM(StepLLMConfig(**llm)).bfloat16(), root / "step_llm", shard_bytes=60_000)
    write(root / "step_llm" / "config.json", {"architectures": ["Step1Model"], "use_flash_attn": True, **llm})

    clip = {
        "vocab_size": clip_size,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 80,
    }
    state = HunyuanClip(ClipConfig(**clip)).state_dict()
    state |= {"bert.pooler.dense.weight": torch.zeros(16, 16), "cls.predictions.bias": torch.zeros(3)}
    state |= {"bert.embeddings.position_ids": torch.arange(80)[None]}
    (root / "hunyuan_clip" / "clip_text_encoder").mkdir()
    torch.save(state, root / "hunyuan_clip" / "clip_text_encoder" / "pytorch_model.bin")
    write(root / "hunyuan_clip" / "clip_text_encoder" / "config.json", {"model_type": "bert", **clip})

    scheduler = {"num_train_timesteps": 1000, "reverse": False, "solver": "euler", "device": None}
    write(root / "scheduler" / "scheduler_config.json", {"_class_name": "FlowMatchDiscreteScheduler", **scheduler})
    write(root / "model_index.json", {"_class_name": "StepVideoPipeline"})
    return root
