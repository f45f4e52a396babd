"""Every tensor that passes through the models has the shape and dtype that its signature says (checked by beartype)."""

from __future__ import annotations

import subprocess
import sys

TOUR = """
import jaxtyping

with jaxtyping.install_import_hook("reference_model", "beartype.beartype"):
    import torch
    from reference_model.config import ClipConfig, SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
    from reference_model.sampling.pipeline import TextToVideoPipeline
    from reference_model.text.conditioning import TextConditioning
    from reference_model.text.hunyuan_clip import HunyuanClip
    from reference_model.text.step_llm import StepLLM
    from reference_model.transformer.model import StepVideoTransformer
    from reference_model.vae.model import VideoVAE

llm = StepLLM(StepLLMConfig(
    hidden_size=16, num_layers=1, num_attention_heads=2, num_attention_groups=1, ffn_hidden_size=8, padded_vocab_size=9
))
clip = HunyuanClip(ClipConfig(
    vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
))


class Encoder:
    def encode(self, prompts):
        ids = torch.arange(5).expand(len(prompts), -1)
        mask = torch.ones(len(prompts), 10, dtype=torch.long)
        return TextConditioning(llm=llm(ids), clip=clip(ids, mask[:, :5]), mask=mask)


transformer = StepVideoTransformer(TransformerConfig(
    num_attention_heads=2, attention_head_dim=16, num_layers=1, in_channels=2, caption_channels=(16, 8), patch_size=2,
    use_additional_conditions=True,
))
widths = (1, 2, 4, 8)
vae = VideoVAE(VAEConfig(enc_ch=2, enc_ch_mult=widths, dec_ch=2, dec_ch_mult=widths, z_channels=2, groups=1))
settings = SamplingConfig(num_steps=1, num_frames=34, height=32, width=64)
pipeline = TextToVideoPipeline(transformer, vae, Encoder(), settings)
(video,) = pipeline("one")
clips = video.frames[None].float() / 127.5 - 1
reconstruction, posterior = vae(clips)
assert reconstruction.shape == clips.shape
try:
    transformer(posterior.mean, torch.zeros(3), llm(torch.zeros(1, 2).long()))
except jaxtyping.TypeCheckError:
    print("checked")
"""


def test_a_tour_through_all_models_keeps_to_its_signatures():
    result = subprocess.run([sys.executable, "-c", TOUR], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == "checked\n"
