"""Checkpoints: whole or not there, damaged ones refused, the old one safe from a full disk."""

from __future__ import annotations

import json
import resource
import signal
from contextlib import contextmanager

import pytest
import torch
from training_toys import ToyModel, assert_same_run, final_state, toy_run

from reference_model.errors import CheckpointError
from reference_model.training.checkpoints import (
    STATE_FILE,
    TrainingState,
    frozen_fingerprint,
    load_state,
    save_state,
)


def state(step, **tensors):
    return TrainingState(step=step, tensors={"model": tensors or {"a": torch.full((3,), float(step))}})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_state_comes_back(tmp_path):
    given = TrainingState(
        step=7,
        tensors={
            "model": {"w": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), "b": torch.ones(())},
            "ema": {"w": torch.randn(2).bfloat16()},
        },
        numbers={"frozen": "x"},
    )
    save_state(given, tmp_path, keep=1)
    back = load_state(tmp_path)
    assert back is not None
    assert (back.step, back.numbers) == (7, {"frozen": "x"})
    for part, tensors in given.tensors.items():
        assert back.tensors[part].keys() == tensors.keys()
        for name, value in tensors.items():
            assert torch.equal(back.tensors[part][name], value)
            assert back.tensors[part][name].dtype == value.dtype


def test_nothing_yet_is_none(tmp_path):
    assert load_state(tmp_path / "checkpoints") is None


def test_the_newest_ones_are_kept(tmp_path):
    for step in (5, 10, 15, 100_000_001):
        save_state(state(step), tmp_path, keep=2)
    assert names(tmp_path) == ["step-00000015", "step-100000001"]
    newest = load_state(tmp_path)
    assert newest is not None
    assert newest.step == 100_000_001


def test_the_first_version_is_still_read(tmp_path):
    """It listed its parts without digests."""
    folder = save_state(state(3), tmp_path, keep=1)
    (folder / STATE_FILE).write_text(json.dumps({"step": 3, "parts": ["model"]}))
    back = load_state(tmp_path)
    assert back is not None
    assert torch.equal(back.tensors["model"]["a"], torch.full((3,), 3.0))


def cut(file):
    file.write_bytes(file.read_bytes()[:-2])


def flip(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def empty(file):
    file.write_bytes(b"")


def remove(file):
    file.unlink()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        *[("model.safetensors", damage) for damage in (cut, flip, empty, remove)],
        *[(STATE_FILE, damage) for damage in (cut, empty)],
    ],
)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_there(tmp_path, file, damage):
    toy_run(tmp_path, legs={"max_steps": 3})
    toy_run(tmp_path, legs={"max_steps": 3})
    newest = tmp_path / "checkpoints" / "step-00000006"
    damage(newest / file)
    with pytest.raises(CheckpointError, match=r"step-00000006 is damaged.*\n.*remove this folder"):
        toy_run(tmp_path)
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    assert load_state(tmp_path / "checkpoints").step == 3


def test_what_a_damaged_checkpoint_is_worth_can_be_made_again(tmp_path):
    toy_run(tmp_path / "whole")
    toy_run(tmp_path / "hurt", legs={"max_steps": 6})
    (tmp_path / "hurt" / "checkpoints" / "step-00000006" / STATE_FILE).unlink()  # as if it had never been finished
    toy_run(tmp_path / "hurt")
    assert_same_run(tmp_path / "whole", tmp_path / "hurt")


@contextmanager
def files_up_to(size):
    """The system refuses to let files grow larger, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    usual = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, usual)


@pytest.mark.parametrize("size", [1, 20_000])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, size):
    save_state(state(5), tmp_path, keep=1)
    with (
        files_up_to(size),
        pytest.raises(CheckpointError, match=r"step 6 cannot be written to .*\n.*make room on the disk"),
    ):
        save_state(state(6, a=torch.ones(10_000)), tmp_path, keep=1)
    assert names(tmp_path) == ["step-00000005"]
    assert load_state(tmp_path).step == 5


def test_left_overs_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".step-00000004.partial").mkdir()
    save_state(state(5), tmp_path, keep=1)
    assert names(tmp_path) == ["step-00000005"]


def test_the_fingerprint_sees_frozen_weights_only():
    model = ToyModel()
    before = frozen_fingerprint(model)
    with torch.no_grad():
        model.outlet.weight += 1
    assert frozen_fingerprint(model) == before
    with torch.no_grad():
        model.frozen[0].bias[2] += 1e-3
    assert frozen_fingerprint(model) != before
    assert frozen_fingerprint(model.requires_grad_(True)) != before


def test_memory_layouts_survive(tmp_path):
    """Fused AdamW reads moments in the order of the weights' memory; a wrong order would train other weights."""
    toy_run(tmp_path / "legs", legs={"max_steps": 6})
    toy_run(tmp_path / "legs")
    toy_run(tmp_path / "whole")
    legs, whole = final_state(tmp_path / "legs"), final_state(tmp_path / "whole")
    weights = [name for name in legs if name.startswith("optimiser blocks") and name.endswith("exp_avg_sq")]
    assert not ToyModel().blocks[0].conv.weight.is_contiguous()
    assert weights
    assert all(torch.equal(legs[name], whole[name]) for name in weights)
