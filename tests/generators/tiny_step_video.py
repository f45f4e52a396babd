"""A Step-Video model folder small enough for tests: random weights, and tokenizers trained here."""

from __future__ import annotations

import io
from pathlib import Path

import sentencepiece
import torch

from reference_model.checkpoint import save_pipeline
from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

SENTENCES = [
    f"a {size} {colour} {shape} moves {way}"
    for size in ("small", "large")
    for colour in ("red", "green", "blue")
    for shape in ("circle", "square")
    for way in ("left", "right", "up")
] + [f"一个{colour}的{shape}向{way}移动" for colour in "红绿蓝" for shape in "圆方" for way in "左右上"]
SAMPLING = SamplingConfig(
    num_steps=2,
    guidance_scale=3.0,
    time_shift=2.0,
    num_frames=17,
    height=32,
    width=16,
    fps=8.0,
    positive_magic=", sharp",
    negative_magic="dull",
)
TRANSFORMER = TransformerConfig(
    num_attention_heads=2, attention_head_dim=16, num_layers=2, in_channels=2, caption_channels=(32, 16)
)
VAE = VAEConfig(enc_ch=2, enc_ch_mult=(2, 4, 8, 8), dec_ch=2, dec_ch_mult=(1, 2, 4, 4), z_channels=2, groups=2)
LLM = {"hidden_size": 32, "num_layers": 1, "num_attention_heads": 4, "num_attention_groups": 2, "ffn_hidden_size": 64}
CLIP = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def write_folder(root: Path, *, seed: int = 0) -> Path:
    """Writes the folder in the released layout; another seed means other weights."""
    root.mkdir(parents=True, exist_ok=True)
    llm_words, clip_words = _tokenizers(root)
    torch.manual_seed(seed)
    llm = StepLLM(StepLLMConfig(**LLM, padded_vocab_size=llm_words.vocab_size, max_prompt_tokens=16))
    clip = HunyuanClip(ClipConfig(**CLIP, vocab_size=clip_words.vocab_size, max_prompt_tokens=12))
    encoder = BilingualTextEncoder(llm, llm_words, clip, clip_words)
    pipeline = TextToVideoPipeline(StepVideoTransformer(TRANSFORMER), VideoVAE(VAE), encoder, SAMPLING)
    save_pipeline(pipeline, root)
    for file in (root / "pieces.model", root / "words.txt"):
        file.unlink()
    return root


def _tokenizers(root: Path) -> tuple[StepTokenizer, ClipTokenizer]:
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=pieces,
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        normalization_rule_name="identity",
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
    )
    (root / "pieces.model").write_bytes(pieces.getvalue())
    # The trainer of WordPiece gives another order every time.
    words = sorted({*" ".join(SENTENCES[:36]).split(), *"".join(SENTENCES[36:])})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    (root / "words.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return StepTokenizer(root / "pieces.model", 16), ClipTokenizer(root / "words.txt", 12)
