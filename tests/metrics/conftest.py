"""A weights folder with random weights, so that metrics built on published networks can be built here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from random_weights import write_trunk
from tiny_models import WRITERS

from metrics.weights import FOLDER_VARIABLE

pytest.register_assert_rewrite("laws")  # before a test imports it: a broken law then shows both values


@pytest.fixture(scope="session", autouse=True)
def weights_for_all_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Holds what every built-in metric needs for its default options."""
    folder = tmp_path_factory.mktemp("weights")
    write_trunk(folder, "alex")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        yield folder


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


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
