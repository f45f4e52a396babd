"""Features of clips on disk: found by their clip's sha256, whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from stepbench.errors import IncompleteError
from stepbench.runs.feature_store import FeatureBuffer, FeatureStore


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows(*numbers: int) -> dict[str, np.ndarray]:
    return {sha(number): np.arange(3, dtype=np.float32) + number for number in numbers}


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features" / "toy:0123:all")


def names(store: FeatureStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_features_come_back_in_the_order_of_their_keys(store):
    assert store.keys() == set()
    store.add(rows(1, 2))
    store.add(rows(3))
    store.add({})
    assert store.keys() == {sha(1), sha(2), sha(3)}
    found = store.read([sha(3), sha(1), sha(3)])
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [3, 1, 3]
    assert len(names(store)) == 2


def test_what_is_not_there_is_no_row(store):
    store.add(rows(1))
    with pytest.raises(KeyError, match=sha(2)):
        store.read([sha(1), sha(2)])


def test_one_file_is_left_and_nothing_is_lost(store):
    store.compact()
    for number in range(5):
        store.add(rows(number))
    (store.folder / ".part-1.safetensors.77.tmp").write_bytes(b"of a killed process")
    store.compact()
    assert names(store) == ["features.safetensors"]
    assert store.keys() == {sha(number) for number in range(5)}
    content = (store.folder / "features.safetensors").read_bytes()
    store.compact()
    other = FeatureStore(store.folder.parent / "other")
    other.add(rows(4, 2, 0))
    other.add(rows(3, 1))
    other.compact()
    assert (other.folder / "features.safetensors").read_bytes() == content
    assert set(load_file(store.folder / "features.safetensors")) == {"clips", "features"}


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_torn_file_is_passed_over_and_then_removed(store, kept):
    store.add(rows(1))
    store.add(rows(2, 3))
    torn = next(path for path in store.folder.iterdir() if len(load_file(path)["clips"]) == 2)
    torn.write_bytes(torn.read_bytes()[:kept])
    assert store.keys() == {sha(1)}
    store.add(rows(2))
    store.compact()
    assert names(store) == ["features.safetensors"]
    assert store.keys() == {sha(1), sha(2)}


def test_a_file_of_something_else_is_passed_over(store):
    store.add(rows(1))
    save_file({"other": np.zeros(2)}, store.folder / "other.safetensors")
    assert store.keys() == {sha(1)}


def test_all_can_be_forgotten(store):
    store.clear()
    store.add(rows(1))
    store.clear()
    assert store.keys() == set()
    assert not store.folder.exists()


def test_a_folder_that_cannot_be_written_is_said(store):
    store.folder.parent.mkdir()
    store.folder.write_text("in the way")
    with pytest.raises(IncompleteError, match=r"cannot save .*toy:0123:all"):
        store.add(rows(1))


def test_a_buffer_saves_at_the_end_also_of_an_interruption(monkeypatch):
    saved = []

    def interrupted() -> None:
        with FeatureBuffer(saved.append) as buffer:
            buffer.add(sha(1), {"a": np.zeros(1), "b": np.ones(1)})
            buffer.add(sha(2), {"a": np.zeros(1)})
            assert saved == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [{name: list(of_clips) for name, of_clips in each.items()} for each in saved] == [
        {"a": [sha(1), sha(2)], "b": [sha(1)]}
    ]
    monkeypatch.setattr("stepbench.runs.feature_store.SAVE_SECONDS", 0.0)
    with FeatureBuffer(saved.append) as buffer:
        buffer.add(sha(3), {"a": np.zeros(1)})
        assert len(saved) == 2
        buffer.add(sha(4), {})
    assert len(saved) == 2
