"""The reference Video-VAE as an autoencoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reference_model import VideoVAE, checkpoint, packaged, tiny
from reference_model.checkpoint.save import save_vae
from stepbench.autoencoders import Autoencoder, UnsuitableClipError, make_autoencoder
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.video import VideoClip


def random_vae(seed: int = 0) -> VideoVAE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VideoVAE(tiny().vae)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models") / "small"
    save_vae(random_vae(), root)
    return root


@pytest.fixture(scope="module")
def vae(folder: Path) -> Autoencoder:
    return make_autoencoder(f"step-video:{folder}")


@pytest.fixture(autouse=True)
def _on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_DEVICE", "cpu")


def clip_of(frames: int, height: int, width: int) -> VideoClip:
    return VideoClip(frames=np.full((frames, 3, height, width), 70, dtype=np.uint8), fps=8.0)


def test_bits_are_those_of_the_latents(vae, small_clip):
    """17 frames of 32x48 pixels are 3 x 16 x 2 x 3 latent values."""
    values = 3 * 16 * 2 * 3
    for latent_dtype, bits in (("float16", 16), ("bfloat16", 16), ("float32", 32)):
        code = vae.encode(small_clip, vae.resolve({"latent_dtype": latent_dtype}))
        assert code.data.shape == (1, 3, 16, 2, 3)
        assert code.bits == bits * values
    raw = 24 * small_clip.frames.size // 3
    assert raw / (16 * values) == 136, "24 x 17 x 256 pixels against 16 x 3 x 16 values"


def test_clips_come_back_as_the_model_makes_them(vae, small_clip):
    settings = vae.resolve({"latent_dtype": "float32"})
    decoded = vae.decode(vae.encode(small_clip, settings), settings)
    model = random_vae()
    with torch.no_grad():
        pixels = 2 * torch.from_numpy(small_clip.frames)[None].double() / 255 - 1
        expected = model.decode(model.encode(pixels.float()).mean)[0].numpy()
    assert decoded.dtype == np.uint8
    assert decoded.shape == small_clip.frames.shape
    assert np.abs(decoded - (expected.clip(-1, 1) + 1) * 127.5).max() < 0.51, "rounded, not cut off"


def test_what_is_decoded_is_what_is_counted(vae, small_clip):
    coarse, fine = vae.resolve({"latent_dtype": "bfloat16"}), vae.resolve({"latent_dtype": "float32"})
    codes = vae.encode(small_clip, coarse), vae.encode(small_clip, fine)
    assert torch.equal(codes[0].data, codes[1].data.bfloat16())
    assert not np.array_equal(vae.decode(codes[0], coarse), vae.decode(codes[1], fine))


def test_long_clips_are_made_of_chunks(vae):
    clip = clip_of(35, 16, 16)
    settings = vae.resolve({})
    code = vae.encode(clip, settings)
    assert code.data.shape[1] == 7
    assert vae.decode(code, settings).shape == clip.frames.shape


def test_the_code_is_the_same_every_time(vae, folder, small_clip):
    again = make_autoencoder(f"step-video:{folder}")
    assert again.card == vae.card
    codes = [one.encode(small_clip, one.resolve({})).data for one in (vae, vae, again)]
    assert torch.equal(codes[0], codes[1])
    assert torch.equal(codes[0], codes[2])


@pytest.mark.parametrize(
    ("frames", "height", "width", "message"),
    [
        (17, 30, 48, r"multiples of 16, got 30x48; --crop"),
        (8, 32, 32, r"8 frames has no latents.*; --crop"),
        (20, 32, 32, r"latents of 20 frames decode to 18; --crop"),
    ],
)
def test_clips_it_cannot_take(vae, frames, height, width, message):
    with pytest.raises(UnsuitableClipError, match=message):
        vae.encode(clip_of(frames, height, width), vae.resolve({}))


def test_latents_too_large_for_their_type(tmp_path, small_clip):
    model = random_vae()
    with torch.no_grad():
        for parameter in model.encoder.conv_out.parameters():
            parameter.mul_(1e8)
    save_vae(model, tmp_path)
    vae = make_autoencoder(f"step-video:{tmp_path}")
    with pytest.raises(UnsuitableClipError, match="latents are not finite in float16"):
        vae.encode(small_clip, vae.resolve({}))
    assert vae.encode(small_clip, vae.resolve({"latent_dtype": "float32"})).bits == 32 * 288


def test_loading_is_not_part_of_encoding(folder, small_clip, monkeypatch):
    vae = make_autoencoder(f"step-video:{folder}")
    vae.prepare(vae.resolve({}))
    monkeypatch.setattr(checkpoint, "load_vae", None)
    vae.prepare(vae.resolve({}))
    assert vae.encode(small_clip, vae.resolve({})).bits == 16 * 288


def test_the_card_tells_weights_apart_and_shows_no_path(vae, folder, tmp_path):
    assert vae.card.name == "step-video:small"
    assert str(folder.parent) not in str(vae.card)
    save_vae(random_vae(seed=1), tmp_path / "small")
    other = make_autoencoder(f"step-video:{tmp_path / 'small'}").card
    assert other.name == vae.card.name
    assert other.weights_hash != vae.card.weights_hash


def test_settings_have_defaults_and_limits(vae):
    assert vae.resolve({}) == {"dtype": "float32", "latent_dtype": "float16"}
    for settings, message in (
        ({"dtpye": "float32"}, r"no setting 'dtpye'[\s\S]*dtype"),
        ({"dtype": "int8"}, r"no dtype 'int8'[\s\S]*bfloat16"),
        ({"latent_dtype": "float8"}, "no latent_dtype 'float8'"),
    ):
        with pytest.raises(UsageError, match=message):
            vae.resolve(settings)


def test_a_device_that_is_not_there_is_told_before_any_work(vae, monkeypatch):
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_DEVICE", "abacus")
    with pytest.raises(EnvironmentUnfitError, match="STEPBENCH_STEP_VIDEO_DEVICE=abacus cannot be used here"):
        vae.resolve({})


def test_folders_without_a_vae(tmp_path, folder):
    with pytest.raises(UsageError, match=r"no model folder at .*nowhere[\s\S]*tiny"):
        make_autoencoder(f"step-video:{tmp_path / 'nowhere'}")
    with pytest.raises(UsageError, match="no model folder at ''"):
        make_autoencoder("step-video:")
    with pytest.raises(UsageError, match=r"step-video: .*vae_v2\.safetensors[\s\S]*whole model folder"):
        make_autoencoder(f"step-video:{tmp_path}")
    save_vae(random_vae(), tmp_path)
    config = tmp_path / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "enc_ch": 16}))
    with pytest.raises(UsageError, match=r"step-video: .*tensor"):
        make_autoencoder(f"step-video:{tmp_path}")


def test_a_preset_without_weights_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(packaged, "__file__", str(tmp_path / "packaged.py"))
    with pytest.raises(UsageError, match=r"step-video:tiny: the trained weights of tiny are not part"):
        make_autoencoder("step-video:tiny")
    save_vae(random_vae(), tmp_path / "weights" / "tiny")
    assert make_autoencoder("step-video:tiny").card.name == "step-video:tiny"
