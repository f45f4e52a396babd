"""Two real processes under torchrun train what one does, in copies and in shards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchrun_training import trained
from training_toys import final_state, log_rows

from reference_model.errors import ConfigError
from reference_model.training import distributed

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


def torchrun(*folders: Path) -> subprocess.CompletedProcess[str]:
    """Trains the runs of these folders to their ends."""
    script = [str(HERE / "torchrun_training.py"), *map(str, folders)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{HERE}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *script], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def assert_close(one: Path, other: Path) -> None:
    """Losses, gradients and held-out figures at every step, and the names of all tensors.

    Figures that are no means over samples may differ, but not be missing.
    """
    for row, same in zip(log_rows(one), log_rows(other), strict=True):
        known = {key: float(value) for key, value in row.items() if value}
        for key in {"of_first", "psnr", "latent_std"} & known.keys():
            known[key] = float(same[key])
        assert {key: float(same[key]) for key in known} == pytest.approx(known, rel=2e-5, abs=1e-5)
    first, second = final_state(one), final_state(other)
    assert {name: value.shape for name, value in first.items()} == {name: value.shape for name, value in second.items()}
    assert first["step"] == second["step"] == 6


def compare(tmp_path: Path, tasks: list[str], variants: list[str]) -> None:
    """One process; two processes; and two that go on from what one has begun. Then one goes on from two."""
    together, begun = [], []
    for task in tasks:
        alone = tmp_path / f"{task}-ddp"
        trained(alone, 2)
        for variant in variants:
            together.append(tmp_path / f"{task}-{variant}-2")
            begun.append(tmp_path / f"{task}-{variant}-begun")
            shutil.copytree(alone, begun[-1])
        trained(alone)
    result = torchrun(*together, *begun)
    assert result.returncode == 0, result.stderr[-3000:]
    for folder in [*together, *begun]:
        assert_close(tmp_path / f"{folder.name.split('-')[0]}-ddp", folder)
    for folder in together:
        shutil.rmtree(folder / "checkpoints" / "step-00000006")
        trained(folder)
        assert_close(tmp_path / f"{folder.name.split('-')[0]}-ddp", folder)


def test_two_processes_train_like_one(tmp_path):
    compare(tmp_path, ["toy"], ["ddp", "fsdp", "ddp-parts", "fsdp-parts"])


@pytest.mark.slow
def test_the_real_models_too(tmp_path):
    compare(tmp_path, ["velocity", "vae", "adversarial"], ["ddp", "fsdp-recomputed"])


def test_a_batch_divides_among_the_processes(monkeypatch):
    monkeypatch.setattr(distributed, "world", lambda: (1, 3))
    assert distributed.own_samples(6) == [1, 4]
    with pytest.raises(ConfigError, match="batch_size must be a multiple of the number of processes, got 4 for 3"):
        distributed.own_samples(4)


def test_one_process_is_the_plain_case(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert distributed.start("cpu") == torch.device("cpu")
    assert not torch.distributed.is_initialized()
    assert distributed.world() == (0, 1)
    assert distributed.is_main()
    assert distributed.own_samples(3) == [0, 1, 2]
    assert distributed.any_process(True)
    assert distributed.mean({"a": 2.0}) == {"a": 2.0}
    distributed.barrier()
    distributed.stop()


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"process 1 \(from 0\) on a machine with 1\n.*--nproc-per-node 1"):
        distributed.start()


@pytest.mark.parametrize(
    "end",
    [
        "from reference_model.training.distributed import leave; leave(2)",
        "from stepbench.cli.main import main; main(['list', 'nonsense'])",
    ],
    ids=["leave", "the command line"],
)
def test_one_of_several_processes_ends_without_the_shutdown_that_aborts_gloo(end):
    code = f"import atexit; atexit.register(print, 'shut down'); print('said before'); {end}"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "WORLD_SIZE": "2"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "said before\n"), result.stderr
