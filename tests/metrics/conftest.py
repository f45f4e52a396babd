"""What tests of metrics with networks share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import WRITERS


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with a tiny random model under the name of each published one. Not to be changed."""
    folder = tmp_path_factory.mktemp("weights")
    for name, write in WRITERS.items():
        write(folder / name)
    return folder


@pytest.fixture
def weights(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the folder where weights are looked for."""
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tiny_weights))
    return tiny_weights
