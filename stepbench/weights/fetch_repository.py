"""A model from the Hugging Face hub: the files that are needed, at one commit, checked, and never left a pickle."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import EnvironmentUnfitError, IncompleteError
from stepbench.runs.journal import saving
from stepbench.weights.convert import convert_pickle

DATA = {".safetensors", ".json", ".txt", ".model", ".jinja"}
PICKLE = "pytorch_model.bin"


def fetch_repository(
    repository: str, target: Path, *, revision: str, whole_tree: bool, announce: Callable[[int], None]
) -> tuple[str, dict[str, str]]:
    """Download to the folder `target`, by way of `<target>.partial`, which a later call goes on with.

    Weights that are offered as a pickle only are read with `weights_only=True` and rewritten as safetensors.

    Args:
        repository: `owner/name`.
        target: Must not exist.
        revision: Commit, branch or tag; empty for the newest.
        whole_tree: Take subfolders and pickled parts as they are.
        announce: Told the size in bytes before anything is downloaded.

    Returns:
        The commit, and which pickles were turned into what.

    Raises:
        EnvironmentUnfitError: The hub cannot be reached, or does not offer the model.
        IncompleteError: The download broke off, is not what the hub announced, or cannot be saved.
    """
    from huggingface_hub import HfApi, snapshot_download

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    address = f"{endpoint}/{repository}"
    try:
        info = HfApi(endpoint=endpoint).model_info(repository, revision=revision or None, files_metadata=True)
    except Exception as error:  # the hub's client raises errors of its own and of whatever it speaks HTTP with
        raise EnvironmentUnfitError(
            f"{address} cannot be read: {_first_line(error)}",
            hint=f"try again where there is a network, or fetch the folder by other means and put it at {target}",
        ) from error
    commit = info.sha or revision
    offered = {one.rfilename: one for one in info.siblings or []}
    names = wanted_files(list(offered), whole_tree=whole_tree)
    if not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise EnvironmentUnfitError(f"{address} offers neither safetensors nor {PICKLE}", hint="see its page")
    announce(sum(offered[name].size or 0 for name in names))
    partial = target.with_name(f"{target.name}.partial")
    try:
        with _bars_on_terminals_only():
            snapshot_download(repository, revision=commit, local_dir=partial, allow_patterns=names, endpoint=endpoint)
    except Exception as error:  # as above
        raise IncompleteError(
            f"the download of {address} broke off: {_first_line(error)}", hint="the same command continues it"
        ) from error
    with saving(target):
        _check(partial, {name: offered[name] for name in names}, address)
        converted = {} if whole_tree or PICKLE not in names else {PICKLE: convert_pickle(partial / PICKLE)}
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        partial.replace(target)
    return commit, converted


def wanted_files(offered: list[str], *, whole_tree: bool) -> list[str]:
    """Which of a repository's files are needed: data, never code; a pickle only where there are no safetensors."""
    if whole_tree:
        return sorted(name for name in offered if PurePosixPath(name).suffix in DATA | {".bin"})
    top = sorted(name for name in offered if "/" not in name and PurePosixPath(name).suffix in DATA)
    pickled = PICKLE in offered and not any(name.endswith(".safetensors") for name in top)
    return [*top, PICKLE] if pickled else top


def _check(folder: Path, announced: Mapping[str, Any], address: str) -> None:
    """The client returns a folder that lacks files where the network went away, so look for each of them."""
    for name, file in announced.items():
        path = folder / name
        if not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
            raise IncompleteError(f"the download of {address} lacks {name}", hint="the same command continues it")
        if file.lfs is not None and sha256_file(path) != file.lfs.sha256:
            path.unlink()
            raise IncompleteError(
                f"{name} of {address} is not the announced file: its sha256 is not {file.lfs.sha256}",
                hint="the same command fetches it again",
            )


@contextmanager
def _bars_on_terminals_only() -> Iterator[None]:
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    hide = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if hide:
        disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            enable_progress_bars()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
