"""`stepbench weights pull` of a model from the hub, by the hub's own client against a hub on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from local_server import COMMIT
from safetensors.torch import load_file

from metrics.weights import WEIGHTS, PublishedWeights
from stepbench.weights.fetch_repository import wanted_files

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics"))
from tiny_models import write_clip

NAME = "tiny-clip"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("published") / NAME)


@pytest.fixture
def hub(publisher, folder, model, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", publisher.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    entry = PublishedWeights(
        name=NAME, purpose="tests", address="https://huggingface.co/someone/tiny-clip", licence="MIT"
    )
    monkeypatch.setitem(WEIGHTS, NAME, entry)
    for file in model.iterdir():
        publisher.files[f"/someone/tiny-clip/resolve/{COMMIT}/{file.name}"] = file.read_bytes()
    publisher.files[f"/someone/tiny-clip/resolve/{COMMIT}/flax_model.msgpack"] = b"not needed"
    publisher.files[f"/someone/tiny-clip/resolve/{COMMIT}/modeling.py"] = b"raise SystemExit('never fetched')"
    return publisher


def test_a_model_is_fetched_at_one_commit_and_recorded(stepbench, folder, hub, model):
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 0, ended.err
    assert "tiny-clip: 0." in ended.err
    fetched = folder / NAME
    assert sorted(path.name for path in fetched.iterdir()) == sorted(path.name for path in model.iterdir())
    assert (fetched / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    record = json.loads((folder / f"{NAME}.json").read_text())
    assert record["revision"] == COMMIT
    assert sorted(record["files"]) == sorted(path.name for path in model.iterdir())
    assert not (folder / f"{NAME}.partial").exists()
    assert not any("flax" in path or path.endswith(".py") for _, path, _ in hub.requests)


def test_the_fetched_model_scores(stepbench, folder, hub):
    import metrics

    assert stepbench("weights", "pull", NAME).code == 0
    score = metrics.build("clip_score", weights=NAME)
    score.update(torch.zeros(1, 2, 3, 32, 32, dtype=torch.uint8), prompts=["a cat"])
    assert score.card.backbone == NAME


def test_a_pickle_is_rewritten_as_safetensors(stepbench, folder, hub, model, tmp_path):
    tensors = load_file(model / "model.safetensors")
    tensors["shared"] = tensors["logit_scale"]
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    del hub.files[f"/someone/tiny-clip/resolve/{COMMIT}/model.safetensors"]
    hub.files[f"/someone/tiny-clip/resolve/{COMMIT}/pytorch_model.bin"] = (tmp_path / "pytorch_model.bin").read_bytes()
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 0, ended.err
    assert not (folder / NAME / "pytorch_model.bin").exists()
    rewritten = load_file(folder / NAME / "model.safetensors")
    assert rewritten.keys() == tensors.keys()
    assert all(torch.equal(rewritten[name], tensors[name]) for name in tensors)
    record = json.loads((folder / f"{NAME}.json").read_text())
    assert record["converted"] == {"pytorch_model.bin": "model.safetensors"}


class Hostile:
    def __reduce__(self):
        return print, ("code of a pickle ran",)


@pytest.mark.parametrize("content", [{"tensor": Hostile()}, [1, 2], {"tensor": 3}])
def test_a_pickle_of_anything_but_tensors_is_not_run_and_not_kept(stepbench, folder, hub, tmp_path, content):
    torch.save(content, tmp_path / "pytorch_model.bin")
    del hub.files[f"/someone/tiny-clip/resolve/{COMMIT}/model.safetensors"]
    hub.files[f"/someone/tiny-clip/resolve/{COMMIT}/pytorch_model.bin"] = (tmp_path / "pytorch_model.bin").read_bytes()
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 3
    assert "pytorch_model.bin" in ended.err
    assert "code of a pickle ran" not in ended.out + ended.err
    assert not (folder / NAME).exists()


def test_a_file_that_is_not_the_announced_one_is_refused_and_fetched_again(stepbench, folder, hub, monkeypatch):
    import stepbench.weights.fetch_repository as module

    real = module.sha256_file
    monkeypatch.setattr(module, "sha256_file", lambda path: "0" * 64 if path.name == "config.json" else real(path))
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "config.json of http://127" in ended.err) == (3, True)
    assert not (folder / NAME).exists()
    monkeypatch.undo()


def test_a_download_that_fails_half_way_is_continued(stepbench, folder, hub, model):
    path = f"/someone/tiny-clip/resolve/{COMMIT}/"
    hub.hidden.add(f"{path}tokenizer.json")
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "broke off" in ended.err, "the same command continues it" in ended.err) == (3, True, True)
    assert not (folder / NAME).exists()
    hub.hidden.clear()
    assert stepbench("weights", "pull", NAME).code == 0
    assert (folder / NAME / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    fetched = [name for method, name, _ in hub.requests if method == "GET"]
    assert fetched.count(f"{path}model.safetensors") == 1


def test_a_folder_that_the_client_left_incomplete_is_not_taken(stepbench, folder, hub, monkeypatch):
    def lazy(*args, local_dir, **options):
        local_dir.mkdir(parents=True)

    monkeypatch.setattr("huggingface_hub.snapshot_download", lazy)
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "lacks config.json" in ended.err) == (3, True)


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(stepbench, folder, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    ended = stepbench("weights", "pull", NAME)
    assert ended.code == 12
    assert "http://127.0.0.1:9/someone/tiny-clip cannot be read" in ended.err
    assert f"put it at {folder / NAME}" in ended.err


def test_a_model_that_is_gone_or_has_no_weights_is_told(stepbench, folder, hub):
    for name in [name for name in hub.files if name.endswith(".safetensors")]:
        del hub.files[name]
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "offers neither safetensors nor pytorch_model.bin" in ended.err) == (12, True)
    hub.files.clear()
    ended = stepbench("weights", "pull", NAME)
    assert (ended.code, "cannot be read: RepositoryNotFoundError" in ended.err) == (12, True)


def test_which_files_are_wanted():
    offered = ["README.md", "config.json", "model.safetensors", "onnx/model.json", "pytorch_model.bin", "vocab.txt"]
    assert wanted_files(offered, whole_tree=False) == ["config.json", "model.safetensors", "vocab.txt"]
    offered.remove("model.safetensors")
    assert wanted_files(offered, whole_tree=False) == ["config.json", "vocab.txt", "pytorch_model.bin"]
    assert wanted_files(["a/b.safetensors", "a/c.bin", "lib/x.so", "run.py"], whole_tree=True) == [
        "a/b.safetensors",
        "a/c.bin",
    ]
