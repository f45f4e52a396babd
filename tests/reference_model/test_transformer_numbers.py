"""The transformer against golden velocities, and what those do not cover."""

from __future__ import annotations

import pytest
import torch

from reference_model.config import TransformerConfig
from reference_model.errors import ShapeError
from reference_model.transformer.model import StepVideoTransformer

GOLDEN_FILES = ["dit_multihead", "dit_head128", "dit_patch2_extra", "dit_small_activations"]


@pytest.mark.parametrize("compat", ["upstream", "precise"])
@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_velocity_equals_golden(name, compat, golden, distance):
    file = golden(name)
    model = StepVideoTransformer(TransformerConfig(**file.info["config"], compat=compat))
    model.load_state_dict(file.weights, strict=True)
    for case in range(len(file.info["cases"])):
        with torch.no_grad():
            velocity = model(**file.part(f"inputs.case{case}."))
        expected = file.outputs[f"case{case}.velocity"]
        assert distance(velocity, expected) < 1e-5
        assert (velocity - expected).abs().max() < 2e-5


@pytest.fixture
def inputs(draw):
    return {
        "hidden_states": draw(2, 3, 2, 4, 2, seed=1),
        "timestep": torch.tensor([0.3, 0.8]),
        "encoder_hidden_states": draw(2, 5, 12, seed=2),
        "encoder_hidden_states_2": draw(2, 3, 8, seed=3),
        "encoder_attention_mask": torch.tensor([[1] * 8, [1] * 5 + [0] * 3]),
    }


def row(inputs, index):
    return {name: value[index : index + 1] for name, value in inputs.items()}


def test_samples_of_a_batch_do_not_mix(small_transformer, inputs):
    model = small_transformer()
    both = model(**inputs)
    for index in range(2):
        torch.testing.assert_close(model(**row(inputs, index)), both[index : index + 1], rtol=1e-4, atol=1e-5)


def test_masked_words_have_no_influence(small_transformer, inputs):
    model = small_transformer()
    before = model(**inputs)
    changed = inputs["encoder_hidden_states"].clone()
    changed[1, 2:] = 100.0  # the second sample sees 3 CLIP words and 2 more
    after = model(**{**inputs, "encoder_hidden_states": changed})
    assert torch.equal(before, after)


def test_no_mask_means_all_words(small_transformer, inputs):
    model = small_transformer()
    all_words = {**inputs, "encoder_attention_mask": torch.ones(2, 8)}
    without = {name: value for name, value in inputs.items() if name != "encoder_attention_mask"}
    torch.testing.assert_close(model(**all_words), model(**without))


def test_clip_states_may_be_left_out(small_transformer, inputs):
    model = small_transformer()
    del inputs["encoder_hidden_states_2"], inputs["encoder_attention_mask"]
    assert model(**inputs).shape == (2, 3, 2, 4, 2)


def test_every_token_sees_every_other(small_transformer, inputs):
    model = small_transformer()
    latents = inputs["hidden_states"].requires_grad_()
    model(**inputs)[0, 0, :, 0, 0].sum().backward()
    assert (latents.grad[0].abs().sum(dim=1) > 0).all()
    assert not latents.grad[1].any()


def test_order_of_frames_matters(small_transformer, inputs):
    model = small_transformer()
    flipped = model(**{**inputs, "hidden_states": inputs["hidden_states"].flip(1)}).flip(1)
    assert not torch.allclose(flipped, model(**inputs), atol=1e-3)


def test_gradients_reach_every_parameter_and_every_input(small_transformer, inputs):
    model = small_transformer(use_additional_conditions=True)
    for name in ("hidden_states", "encoder_hidden_states", "encoder_hidden_states_2"):
        inputs[name].requires_grad_()
    model(**inputs, fps=torch.tensor([24.0, 8.0])).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert inputs["hidden_states"].grad.abs().max() > 0
    assert inputs["encoder_hidden_states_2"].grad.abs().max() > 0


def test_affine_norms_add_their_weights(small_transformer):
    names = (
        small_transformer(norm_elementwise_affine=True).state_dict().keys() - small_transformer().state_dict().keys()
    )
    assert names == {f"{norm}.{kind}" for norm in ("caption_norm", "norm_out") for kind in ("weight", "bias")}


def test_patches_put_pixels_back_where_they_came_from(small_transformer, draw):
    model = small_transformer(patch_size=2)
    latents = draw(1, 2, 2, 6, 4)
    grid = model.pos_embed.grid(latents)
    assert grid == (2, 3, 2)
    patches = torch.nn.functional.unfold(latents.flatten(0, 1), 2, stride=2)  # rows: channel, py, px
    tokens = patches.unflatten(1, (2, 4)).permute(0, 3, 2, 1).flatten(2)  # per token: py, px, channel fastest
    assert torch.equal(model._unpatchify(tokens.reshape(1, 12, 8), grid), latents)


def test_frame_rate_matters_only_where_given(small_transformer, inputs):
    model = small_transformer(use_additional_conditions=True)
    slow, fast = (model(**inputs, fps=torch.full((2,), rate)) for rate in (8.0, 30.0))
    assert not torch.allclose(slow, fast, atol=1e-4)
    assert torch.equal(small_transformer()(**inputs, fps=torch.ones(2)), small_transformer()(**inputs))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_states": torch.zeros(2, 3, 5, 4, 2)}, r"frames, 2, height, width\), got \(2, 3, 5, 4, 2\)"),
        ({"hidden_states": torch.zeros(3, 2, 4, 2)}, r"frames, 2, height, width\), got \(3, 2, 4, 2\)"),
        ({"timestep": torch.tensor(0.5)}, r"timestep must have shape \(2,\), one value per sample, got \(\)"),
        ({"timestep": torch.zeros(2, 1)}, r"timestep must have shape \(2,\), one value per sample, got \(2, 1\)"),
        ({"fps": torch.ones(3)}, r"fps must have shape \(2,\), one value per sample, got \(3,\)"),
        ({"encoder_hidden_states": torch.zeros(2, 5, 7)}, r"hidden_states must .* words, 12\), got \(2, 5, 7\)"),
        ({"encoder_hidden_states": torch.zeros(5, 12)}, r"hidden_states must .* words, 12\), got \(5, 12\)"),
        ({"encoder_hidden_states": torch.zeros(1, 5, 12)}, r"must have shape \(2, words, 12\), got \(1, 5, 12\)"),
        ({"encoder_hidden_states_2": torch.zeros(2, 3, 7)}, r"states_2 must have .* words, 8\), got \(2, 3, 7\)"),
        ({"encoder_attention_mask": torch.ones(2, 7)}, r"must have shape \(2, 8\) .*got \(2, 7\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(small_transformer, inputs, changes, message):
    with pytest.raises(ShapeError, match=message):
        small_transformer()(**{**inputs, **changes})


def test_odd_latents_do_not_divide_into_patches(small_transformer, inputs):
    inputs["hidden_states"] = torch.zeros(2, 3, 2, 5, 2)
    with pytest.raises(ShapeError, match="multiples of 2, got 5x2"):
        small_transformer(patch_size=2)(**inputs)


def test_clip_states_without_a_clip_branch_are_refused(small_transformer, inputs):
    with pytest.raises(ShapeError, match=r"no CLIP branch, got CLIP states of shape \(2, 3, 8\)"):
        small_transformer(caption_channels=12)(**inputs)
