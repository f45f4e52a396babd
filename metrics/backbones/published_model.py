"""A published model on this machine: what identifies its folder, and how its parts are read. Never a pickle."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from metrics.backbones.frame_recipe import FrameRecipe, read_recipe
from metrics.backbones.transformers_folder import no_report
from metrics.errors import UnavailableMetricError
from metrics.weights import WEIGHTS, find_weights

_READ = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Files that can change a number: weights, configs, vocabularies, chat templates."""


class PublishedModel:
    """A model in a folder as the Hugging Face hub lays it out. Making the object reads nothing.

    Args:
        path: The folder.
        name: What it is called in cards and errors.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    @cached_property
    def hash(self) -> str:
        """Start of one sha256 over all files that can change a number, each with its name."""
        files = sorted({file for pattern in _READ for file in self.path.glob(pattern) if file.is_file()})
        listing = "".join(f"{_sha256(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()[:12]

    @cached_property
    def recipe(self) -> FrameRecipe:
        """How frames are prepared.

        Raises:
            UnavailableMetricError: The folder does not say.
        """
        return read_recipe(self.path)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The parsed `config.json`.

        Raises:
            UnavailableMetricError: It is missing or not JSON.
        """
        try:
            return json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self.unusable(f"config.json cannot be read ({type(error).__name__}: {error})") from error

    def load_model(self, model_class: Any, **options: Any) -> Any:
        """The network in float32, for inference, with every parameter from the folder's safetensors.

        Args:
            model_class: A class of `transformers` with `from_pretrained`.
            **options: Passed to it.

        Raises:
            UnavailableMetricError: There are no safetensors, or they lack parameters of the network.
        """
        if not any(self.path.glob("*.safetensors")):
            raise self.unusable("there is no *.safetensors, and pickled weights are not opened")
        model, report = self._read(
            model_class.from_pretrained, use_safetensors=True, output_loading_info=True, **options
        )
        lacking = sorted(report["missing_keys"])
        if lacking:
            raise self.unusable(f"its weights lack {len(lacking)} tensors of the network, such as {lacking[0]}")
        return model.to(torch.float32).eval().requires_grad_(False)

    def load_part(self, part_class: Any) -> Any:
        """A tokenizer or processor of the folder.

        Raises:
            UnavailableMetricError: It cannot be read.
        """
        return self._read(part_class.from_pretrained)

    def unusable(self, reason: str) -> UnavailableMetricError:
        """The error that says why this folder cannot be used."""
        again = f"`stepbench weights pull {self.name}` fetches" if self.name in WEIGHTS else "give"
        return UnavailableMetricError(f"{self.path} cannot be used: {reason}", hint=f"{again} the whole folder")

    def _read(self, read: Any, **options: Any) -> Any:
        try:
            with no_report():
                return read(self.path, local_files_only=True, **options)
        except ImportError as error:
            reason = str(error).strip().partition("\n")[0]
            raise UnavailableMetricError(
                f"{self.path} needs a package that is not installed: {reason}", hint="pip install 'stepbench[judges]'"
            ) from error
        except Exception as error:  # what a damaged folder raises depends on where it is damaged; the reason is kept
            raise self.unusable(f"{type(error).__name__}: {error}") from error


def open_folder(weights: str | Path) -> PublishedModel:
    """The folder of a name in `metrics.weights.WEIGHTS`, or any folder of the same kind of model.

    Raises:
        UnavailableMetricError: There is none.
    """
    if isinstance(weights, str) and weights in WEIGHTS:
        return PublishedModel(find_weights(weights), weights)
    path = Path(weights)
    if not path.is_dir():
        raise UnavailableMetricError(
            f"there are no weights called {str(weights)!r}, nor such a folder",
            hint="`stepbench weights list` shows the names",
        )
    return PublishedModel(path, path.name)


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
