"""Where a Diffusers pipeline comes from: a folder, or a repository of the Hugging Face Hub at one commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import EnvironmentUnfitError, UsageError

INDEX = "model_index.json"
"""The file that makes a folder a pipeline: its class and, per component, library and class."""

HASHED_SUFFIXES = {".safetensors", ".json", ".model", ".txt", ".jinja"}
"""Weights, configurations and tokenizers. Documents, pictures and weights in formats that are never loaded stay out."""


@dataclass(frozen=True, kw_only=True)
class PipelineSource:
    """A pipeline that cannot change its meaning behind a run's back.

    Attributes:
        name: The generator's name.
        location: Folder or repository id, as `from_pretrained` takes it.
        commit: Commit of the repository; None for a folder.
        index: Contents of `model_index.json`.
    """

    name: str
    location: str
    commit: str | None
    index: Mapping[str, Any]

    @property
    def class_name(self) -> str:
        """Name of the pipeline's class, such as `WanPipeline`."""
        return self.index["_class_name"]

    @property
    def components(self) -> dict[str, tuple[str | None, str | None]]:
        """Component -> (library, class), both None where the pipeline goes without it."""
        return {name: (value[0], value[1]) for name, value in self.index.items() if _is_component(name, value)}

    def weights_hash(self) -> str:
        """Hash over the names and bytes of a folder's files; empty for a commit, which says it all."""
        if self.commit is not None:
            return ""
        folder = Path(self.location)
        files = sorted(path for path in folder.rglob("*") if path.suffix in HASHED_SUFFIXES and path.is_file())
        return sha256_json([[path.relative_to(folder).as_posix(), sha256_file(path)] for path in files])


def open_source(argument: str) -> PipelineSource:
    """Read the index of the pipeline named by a folder, or by `REPOSITORY` or `REPOSITORY@REVISION`.

    A branch or tag is resolved to the commit it stands for now, through the Hub or else the local cache.

    Raises:
        UsageError: No such folder, repository or revision, or it holds no pipeline.
        EnvironmentUnfitError: The Hub cannot be reached, or not without a login, and the cache does not help.
    """
    folder = Path(argument).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        index = _read_index(folder / INDEX, str(folder))
        return PipelineSource(name=f"diffusers:{folder.name}", location=str(folder), commit=None, index=index)
    if argument.startswith(("/", ".", "~")):
        raise UsageError(f"no folder {argument}", hint="give a folder that save_pretrained wrote, or a repository id")
    repository, at, revision = argument.partition("@")
    if not repository or (at and not revision):
        raise UsageError(
            f"diffusers: needs a folder or REPOSITORY@REVISION, got {argument!r}",
            hint="for example diffusers:Wan-AI/Wan2.1-T2V-1.3B-Diffusers@main",
        )
    path = _fetch_index(repository, revision or "main")
    # The cache keeps a snapshot folder per commit, whatever name the commit was asked for by.
    return PipelineSource(
        name=f"diffusers:{repository}",
        location=repository,
        commit=path.parent.name,
        index=_read_index(path, argument),
    )


def _fetch_index(repository: str, revision: str) -> Path:
    from huggingface_hub import errors, hf_hub_download

    asked = f"{repository}@{revision}"
    try:
        return Path(hf_hub_download(repository, INDEX, revision=revision))
    except errors.GatedRepoError as error:
        raise EnvironmentUnfitError(
            f"{asked} is open only to those who accepted its terms",
            hint=f"accept them on the page of {repository}, then run `hf auth login`",
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(
            f"{repository!r} is no repository id", hint="write OWNER/NAME, or the path of a folder that exists"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(f"{repository} has no revision {revision!r}", hint="see its commits on the Hub") from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"the Hub shows no repository {repository!r}",
            hint="check the spelling; a private one needs `hf auth login`",
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise EnvironmentUnfitError(
            f"cannot tell which commit {asked} is: the Hub cannot be reached, and the cache has no {INDEX} of it",
            hint=f"run `hf download {repository}` where there is a network, or give the folder of a copy",
        ) from error
    except errors.EntryNotFoundError as error:
        raise UsageError(
            f"{asked} has no {INDEX}, so it is no Diffusers pipeline",
            hint="many models have a second repository whose name ends in -Diffusers or -diffusers",
        ) from error
    except errors.HfHubHTTPError as error:
        raise EnvironmentUnfitError(f"the Hub does not give {asked}: {error}", hint="try again later") from error


def _read_index(path: Path, source: str) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{source} has no {INDEX}, so it is no Diffusers pipeline",
            hint="give the folder that save_pretrained wrote",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", hint="download it again") from error
    name = index.get("_class_name") if isinstance(index, dict) else None
    if isinstance(name, list):
        raise UsageError(
            f"{source} brings its own pipeline code ({name[0]}.py), which stepbench does not run",
            hint="wrap a model you trust in a function and use python:MODULE:FUNCTION",
        )
    if not isinstance(name, str):
        raise UsageError(f"{path} names no pipeline class", hint="download it again")
    return index


def _is_component(name: str, value: Any) -> bool:
    pair = isinstance(value, list) and len(value) == 2 and all(isinstance(part, str | None) for part in value)
    return pair and not name.startswith("_")
