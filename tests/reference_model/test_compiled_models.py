"""Both large models as one graph without breaks, so that a compiler can take all of them."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def transformer_inputs(draw):
    return {
        "hidden_states": draw(1, 3, 2, 2, 2),
        "timestep": torch.tensor([0.3]),
        "encoder_hidden_states": draw(1, 5, 12, seed=1),
        "encoder_hidden_states_2": draw(1, 3, 8, seed=2),
        "encoder_attention_mask": torch.tensor([[1] * 6 + [0] * 2]),
    }


@pytest.mark.parametrize(
    "backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)], ids=["graph", "inductor"]
)
def test_compiled_transformer_equals_eager(small_transformer, draw, backend):
    model = small_transformer()
    inputs = transformer_inputs(draw)
    compiled = torch.compile(model, backend=backend, fullgraph=True)(**inputs)
    torch.testing.assert_close(compiled, model(**inputs), rtol=1e-4, atol=1e-5)
    compiled.sum().backward()
    assert model.proj_out.weight.grad is not None


@pytest.mark.parametrize(
    "backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)], ids=["graph", "inductor"]
)
def test_compiled_vae_equals_eager(small_vae, draw, backend):
    vae = small_vae()
    clip = draw(1, 17, 3, 16, 16)
    latents = vae.encode(clip).mean.detach()
    with torch.no_grad():
        encode = torch.compile(lambda clip: vae.encode(clip).mean, backend=backend, fullgraph=True)
        decode = torch.compile(vae.decode_chunk, backend=backend, fullgraph=True)
        torch.testing.assert_close(encode(clip), latents, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(decode(latents), vae.decode(latents), rtol=1e-4, atol=1e-5)
