"""A weights folder with random weights, so that metrics built on published networks can be built here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from random_weights import write_trunk

from metrics.weights import FOLDER_VARIABLE


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
