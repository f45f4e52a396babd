"""Names, shapes and counts of the full-size models, built on the meta device, against the released files."""

from __future__ import annotations

import pytest
import torch

from reference_model.checkpoint.signature import name_shape_digest
from reference_model.presets import step_video_t2v
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

BUILDERS = {
    "names_dit": lambda: StepVideoTransformer(step_video_t2v().transformer),
    "names_vae_v2": lambda: VideoVAE(step_video_t2v().vae),
    "names_step_llm": lambda: StepLLM(step_video_t2v().llm),
}
DIGESTS = {
    "names_dit": "5c0216a2132b082c10cb7a0e0377e681",
    "names_vae_v2": "68beaf8429b7c11aa8ca05b1bd0058bd",
    "names_step_llm": "02c3bfbec77ee9286fbeaf66431dfff7",
}
COUNTS = {
    "names_dit": (785, 29_342_478_400),
    "names_vae_v2": (262, 498_818_819),
    "names_step_llm": (289, 19_579_600_896),
}


@pytest.mark.parametrize("table", BUILDERS)
def test_state_dict_equals_the_released_one(table, golden):
    released = golden(table).info
    with torch.device("meta"):
        model = BUILDERS[table]()
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == released["shapes"]
    assert name_shape_digest(shapes) == released["signature_md5"] == DIGESTS[table]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert (len(shapes), parameters) == (released["tensors"], released["parameters"]) == COUNTS[table]


def test_step_llm_takes_39_gb_in_bfloat16():
    with torch.device("meta"):
        model = StepLLM(step_video_t2v().llm).bfloat16()
    assert sum(parameter.nbytes for parameter in model.parameters()) == 39_159_201_792


def test_parts_of_the_vae():
    with torch.device("meta"):
        vae = VideoVAE(step_video_t2v().vae)
    sizes = [sum(parameter.numel() for parameter in part.parameters()) for part in (vae.encoder, vae.decoder)]
    assert sizes == [109_885_696, 388_933_123]


def test_clip_is_bert_large_without_its_pooler():
    cfg = step_video_t2v().clip
    with torch.device("meta"):
        clip = HunyuanClip(cfg)
    state = clip.state_dict()
    pooler = cfg.hidden_size**2 + cfg.hidden_size
    assert sum(tensor.numel() for tensor in state.values()) + pooler == 352_035_840
    assert state["bert.embeddings.word_embeddings.weight"].shape == (47020, 1024)
    assert state["bert.encoder.layer.23.intermediate.dense.weight"].shape == (4096, 1024)
    assert len(state) == 5 + 24 * 16


def test_digest_by_hand():
    import hashlib

    expected = hashlib.md5(b"a,a:2_3,b,b:4").hexdigest()
    assert name_shape_digest({"b": (4,), "a": (2, 3)}) == expected
