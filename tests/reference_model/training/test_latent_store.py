"""Latents of a source: encoded once, shard by shard, and only read by those they belong to."""

from __future__ import annotations

import copy

import pytest
import torch

from reference_model.errors import CheckpointError, ConfigError
from reference_model.training import latents as latents_module
from reference_model.training.data import TrainingClip, to_float
from reference_model.training.latents import LatentStore, encode_source


class CountingClips:
    """Clips of 1 or 17 frames, by turns of five; counts which are made."""

    def __init__(self, size: int = 11) -> None:
        self.size = size
        self.made: list[int] = []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> TrainingClip:
        self.made.append(index)
        frames = 17 if index // 5 % 2 == 0 else 1
        generator = torch.Generator().manual_seed(index)
        shape = (frames, 3, 32, 16)
        pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.int64).to(torch.uint8)
        return TrainingClip(frames=pixels, captions=(f"clip {index}", f"片段 {index}"), fps=8.0 + index)


class ToldClips(CountingClips):
    """Says captions without making frames."""

    def captions(self, index: int) -> tuple[str, ...]:
        return (f"told {index}",)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(latents_module, "SHARD_CLIPS", 4)
    monkeypatch.setattr(latents_module, "ENCODED_TOGETHER", 3)


def encode(vae, source, folder, count=11, description="clips"):
    return encode_source(vae, source, count, folder, description=description, progress=False)


def test_latents_are_the_means_in_float16_with_captions_and_rates(small_vae, tmp_path):
    vae, source = small_vae(), CountingClips()
    store = encode(vae, source, tmp_path)
    assert len(store) == 11
    for index in range(11):
        with torch.no_grad():
            mean = vae.encode(to_float(source[index].frames)[None]).mean[0]
        error = (store.latents[index].float() - mean).norm() / mean.norm()
        assert error < 0.03  # of bfloat16
        assert store.latents[index].dtype == torch.float16
        assert store.latents[index].shape == ((3 if index // 5 % 2 == 0 else 1), 2, 2, 1)
        assert store.captions[index] == [f"clip {index}", f"片段 {index}"]
    assert store.fps == [8.0 + index for index in range(11)]
    assert store.buckets == [[0, 1, 2, 3, 4, 10], [5, 6, 7, 8, 9]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_vae_of_any_dtype_encodes(small_vae, tmp_path, dtype):
    vae, source = small_vae(), CountingClips(2)
    with torch.no_grad():
        exact = vae.encode(to_float(torch.stack([source[0].frames, source[1].frames]))).mean
    store = encode(vae.to(dtype), source, tmp_path, 2)
    assert store.latents[0].dtype == torch.float16
    assert (torch.stack(store.latents).float() - exact).norm() < 0.03 * exact.norm()


def test_a_kill_between_shards_costs_the_shard_at_work(small_vae, tmp_path):
    class Killed(CountingClips):
        def __getitem__(self, index: int) -> TrainingClip:
            if index == 6:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    vae, killed, source = small_vae(), Killed(), ToldClips()
    with pytest.raises(KeyboardInterrupt):
        encode(vae, killed, tmp_path / "parts")
    assert killed.made == [0, 1, 2, 3, 4, 5]
    parts = encode(vae, source, tmp_path / "parts")
    assert source.made == list(range(4, 11))
    whole = encode(vae, ToldClips(), tmp_path / "whole")
    assert all(torch.equal(one, other) for one, other in zip(parts.latents, whole.latents, strict=True))
    assert (parts.captions, parts.fps) == (whole.captions, whole.fps)

    source.made.clear()
    encode(vae, source, tmp_path / "parts")
    assert source.made == []
    assert encode(vae, source, tmp_path / "parts", 8).fps == whole.fps[:8]
    assert source.made == []


def test_a_folder_belongs_to_one_vae_and_one_source(small_vae, tmp_path):
    vae = small_vae()
    encode(vae, CountingClips(2), tmp_path, 2)
    other = copy.deepcopy(vae)
    with torch.no_grad():
        other.encoder.conv_out.conv.bias[0] += 1e-3
    with pytest.raises(CheckpointError, match=r"was made for something else: vae was '.*', is '.*'\n  hint: remove"):
        encode(other, CountingClips(2), tmp_path, 2)
    with pytest.raises(CheckpointError, match="source was 'clips', is 'other clips'"):
        encode(vae, CountingClips(2), tmp_path, 2, description="other clips")
    # The decoder has no say in latents.
    with torch.no_grad():
        vae.decoder.conv_out.bias += 1
    encode(vae, CountingClips(2), tmp_path, 2)


def test_damage_is_named(small_vae, tmp_path):
    vae = small_vae()
    encode(vae, CountingClips(2), tmp_path, 2)
    shard = next(tmp_path.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match=r"clips-00000000-2.safetensors cannot be read: .*\n  hint: remove it"):
        encode(vae, CountingClips(2), tmp_path, 2)
    (tmp_path / "latents.json").write_text("[", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"latents.json cannot be read"):
        encode(vae, CountingClips(2), tmp_path, 2)


def test_what_cannot_be_is_refused(small_vae, tmp_path):
    with pytest.raises(ConfigError, match="12 clips are to be encoded, but the source has 11"):
        encode(small_vae(), CountingClips(), tmp_path, 12)
    with pytest.raises(ConfigError, match="each clip has latents, captions and a rate, got 1, 2, 1 of these"):
        LatentStore([torch.zeros(1, 2, 2, 2)], [["a"], ["b"]])
    assert LatentStore([torch.zeros(1, 2, 2, 2)], [["a"]]).fps == [25.0]
