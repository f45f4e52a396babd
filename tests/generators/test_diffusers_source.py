from __future__ import annotations

import json
from pathlib import Path

import pytest

from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.diffusers_source import open_source

INDEX = {
    "_class_name": "WanPipeline",
    "_diffusers_version": "0.41.0",
    "vae": ["diffusers", "AutoencoderKLWan"],
    "transformer_2": [None, None],
    "boundary_ratio": None,
    "range": [0.1, 0.9],
    "mixed": ["text", 1],
}
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wan" / "vae").mkdir(parents=True)
    (tmp_path / "wan" / "model_index.json").write_text(json.dumps(INDEX))
    (tmp_path / "wan" / "vae" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "wan"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache of the Hub, away from any network, with two commits of one repository; `main` is the first."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--owner--name"
    for commit in (FIRST, SECOND):
        (repository / "snapshots" / commit).mkdir(parents=True)
        (repository / "snapshots" / commit / "model_index.json").write_text(json.dumps(INDEX))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(FIRST)
    return repository


def test_a_folder_is_known_by_its_name_and_its_bytes(folder):
    source = open_source(str(folder))
    assert (source.name, source.location, source.commit) == ("diffusers:wan", str(folder), None)
    assert source.class_name == "WanPipeline"
    assert source.components == {"vae": ("diffusers", "AutoencoderKLWan"), "transformer_2": (None, None)}
    original = source.weights_hash()

    moved = folder.rename(folder.parent / "other")
    assert open_source(str(moved)).weights_hash() == original
    (moved / "README.md").write_text("words")
    assert open_source(str(moved)).weights_hash() == original
    for name in ("vae/model.safetensors", "model_index.json"):
        before = (moved / name).read_bytes()
        (moved / name).write_bytes(before + b" ")
        assert open_source(str(moved)).weights_hash() != original
        (moved / name).write_bytes(before)
    (moved / "tokenizer.model").write_bytes(b"pieces")
    assert open_source(str(moved)).weights_hash() != original


def test_a_relative_folder_is_found(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert open_source(".").name == "diffusers:wan"
    assert open_source("../wan").location == str(folder)


def test_a_branch_is_the_commit_it_stands_for(hub):
    assert open_source("owner/name").commit == FIRST
    assert open_source("owner/name@main").commit == FIRST
    assert open_source(f"owner/name@{SECOND}").commit == SECOND
    (hub / "refs" / "main").write_text(SECOND)
    source = open_source("owner/name")
    assert (source.name, source.location, source.commit) == ("diffusers:owner/name", "owner/name", SECOND)
    assert source.weights_hash() == ""


@pytest.mark.parametrize("argument", ["owner/name@v2", "owner/other", f"owner/name@{'3' * 40}"])
def test_a_commit_that_cannot_be_told_is_refused(hub, argument):
    with pytest.raises(EnvironmentUnfitError, match=r"cannot tell which commit .*\n  hint: run `hf download owner/"):
        open_source(argument)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("./nowhere", "no folder ./nowhere"),
        ("/nowhere", "no folder /nowhere"),
        ("~/no where", "no folder ~/no where"),
        ("owner/name@", "needs a folder or REPOSITORY@REVISION, got 'owner/name@'"),
        ("@main", "needs a folder or REPOSITORY@REVISION, got '@main'"),
        ("a/b/c", "'a/b/c' is no repository id"),
    ],
)
def test_arguments_that_name_nothing(hub, argument, message):
    with pytest.raises(UsageError, match=message):
        open_source(argument)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("GatedRepoError", EnvironmentUnfitError, r"owner/name@main is open only to those who accepted its terms"),
        ("RevisionNotFoundError", UsageError, "owner/name has no revision 'main'"),
        ("RepositoryNotFoundError", UsageError, "the Hub shows no repository 'owner/name'"),
        ("EntryNotFoundError", UsageError, r"has no model_index.json, .*\n.*name ends in -Diffusers"),
        ("HfHubHTTPError", EnvironmentUnfitError, "the Hub does not give owner/name@main"),
    ],
)
def test_what_the_hub_answers_is_passed_on(monkeypatch, name, kind, message):
    from huggingface_hub import errors

    def answer(*_, **__):
        # Made without a response, which these errors would only quote.
        error = getattr(errors, name).__new__(getattr(errors, name))
        raise error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", answer)
    with pytest.raises(kind, match=message):
        open_source("owner/name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no model_index.json, so it is no Diffusers pipeline"),
        ("{", "model_index.json is not JSON"),
        ("[]", "names no pipeline class"),
        ('{"_class_name": 3}', "names no pipeline class"),
        (
            '{"_class_name": ["my_pipeline", "Mine"]}',
            r"brings its own pipeline code \(my_pipeline.py\), which stepbench",
        ),
    ],
)
def test_an_index_that_cannot_be_used(folder: Path, text, message):
    index = folder / "model_index.json"
    index.unlink()
    if text is not None:
        index.write_text(text)
    with pytest.raises(UsageError, match=message):
        open_source(str(folder))
