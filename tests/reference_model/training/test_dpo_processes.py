"""Video-DPO in two processes learns what one process learns, whether they hold copies or parts of the model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from dpo_processes import run

from reference_model.training.checkpoints import load_state

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("rank", [2, 0], ids=["adapters", "all weights"])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_equal_one(strategy, rank, tmp_path):
    run(tmp_path / "one", strategy, rank)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(HERE / "dpo_processes.py"), str(tmp_path / "two"), strategy, str(rank)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[2])}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = (load_state(tmp_path / name / "checkpoints") for name in ("one", "two"))
    assert one.step == two.step == 4
    for part in ("model", "ema"):
        assert one.tensors[part].keys() == two.tensors[part].keys()
        for name, value in one.tensors[part].items():
            torch.testing.assert_close(two.tensors[part][name], value, rtol=1e-3, atol=1e-5)
