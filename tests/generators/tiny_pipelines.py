"""Text-to-video pipelines of a few kilobytes with random weights, saved in the format of the released ones."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

SENTENCES = (
    "a red circle moves right on a white background",
    "a cat walks along the beach at sunset",
    "红色的圆形在白色背景上向右移动",
    "一只猫在日落时分沿着海滩散步",
)
T5_SIZES = {"d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}


def save_pipeline(family: str, folder: Path) -> Path:
    """Build the pipeline of a family (a key of `FAMILIES`) and save it as `folder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        FAMILIES[family](folder.parent / f"{family}-tokenizer").save_pretrained(folder)
    if family == "cogvideox":
        # The released folder has the SentencePiece model itself, from which the tokenizer is made while it is loaded.
        (folder / "tokenizer" / "tokenizer.json").unlink()
        shutil.copy(folder.parent / f"{family}-tokenizer" / "spiece.model", folder / "tokenizer")
    return folder


def wan(scratch: Path) -> diffusers.WanPipeline:
    tokenizer = _t5_tokenizer(scratch)
    return diffusers.WanPipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(UMT5Config(vocab_size=len(tokenizer), **T5_SIZES)).eval(),
        vae=diffusers.AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        transformer=diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=32,
            ffn_dim=32,
            num_layers=1,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
        # Its noise between steps does not come from the generator that the pipeline is given.
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, stochastic_sampling=True),
    )


def cogvideox(scratch: Path) -> diffusers.CogVideoXPipeline:
    tokenizer = _t5_tokenizer(scratch)
    return diffusers.CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=_t5(tokenizer),
        vae=diffusers.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=16,
        ),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
    )


def ltx(scratch: Path) -> diffusers.LTXPipeline:
    tokenizer = _t5_tokenizer(scratch)
    return diffusers.LTXPipeline(
        tokenizer=tokenizer,
        text_encoder=_t5(tokenizer),
        vae=diffusers.AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            patch_size=1,
            patch_size_t=1,
        ),
        transformer=diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def mochi(scratch: Path) -> diffusers.MochiPipeline:
    tokenizer = _t5_tokenizer(scratch)
    return diffusers.MochiPipeline(
        tokenizer=tokenizer,
        text_encoder=_t5(tokenizer),
        vae=diffusers.AutoencoderKLMochi(
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
        ),
        transformer=diffusers.MochiTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            text_embed_dim=32,
            time_embed_dim=4,
            max_sequence_length=16,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def hunyuan_video(scratch: Path) -> diffusers.HunyuanVideoPipeline:
    words = _word_pieces()
    clip_tokenizer = _clip_tokenizer(scratch)
    return diffusers.HunyuanVideoPipeline(
        tokenizer=words,
        text_encoder=LlamaModel(
            LlamaConfig(
                vocab_size=len(words),
                hidden_size=16,
                intermediate_size=37,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=512,
                pad_token_id=words.pad_token_id,
            )
        ).eval(),
        tokenizer_2=clip_tokenizer,
        text_encoder_2=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(clip_tokenizer),
                hidden_size=8,
                intermediate_size=37,
                num_hidden_layers=1,
                num_attention_heads=4,
                projection_dim=8,
                eos_token_id=clip_tokenizer.eos_token_id,
                bos_token_id=clip_tokenizer.bos_token_id,
                pad_token_id=clip_tokenizer.pad_token_id,
            )
        ).eval(),
        vae=diffusers.AutoencoderKLHunyuanVideo(
            latent_channels=4,
            down_block_types=("HunyuanVideoDownBlock3D",) * 4,
            up_block_types=("HunyuanVideoUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            layers_per_block=1,
            norm_num_groups=4,
        ),
        transformer=diffusers.HunyuanVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=10,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=1,
            guidance_embeds=True,
            text_embed_dim=16,
            pooled_projection_dim=8,
            rope_axes_dim=(2, 4, 4),
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    )


FAMILIES: dict[str, Callable[[Path], diffusers.DiffusionPipeline]] = {
    "wan": wan,
    "cogvideox": cogvideox,
    "ltx": ltx,
    "mochi": mochi,
    "hunyuan_video": hunyuan_video,
}


def _t5(tokenizer: T5Tokenizer) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=len(tokenizer), **T5_SIZES)).eval()


def _t5_tokenizer(scratch: Path) -> T5Tokenizer:
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 5),
        model_writer=trained,
        vocab_size=120,
        hard_vocab_limit=False,
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    scratch.mkdir(parents=True)
    (scratch / "spiece.model").write_bytes(trained.getvalue())
    return T5Tokenizer.from_pretrained(scratch)


def _word_pieces() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<pad>"], show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")


def _clip_tokenizer(scratch: Path) -> CLIPTokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    scratch.mkdir(parents=True)
    (scratch / "vocab.json").write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}))
    (scratch / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(scratch)
