"""Folders that `transformers` reads: loaded without the internet, without code from the folder, and complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metrics.errors import UnavailableMetricError
from metrics.weights import weights_hash

UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, ImportError)
"""What `from_pretrained` raises, depending on what is wrong with a folder."""


def load_model(kind: Any, folder: Path, may_lack: tuple[str, ...] = ()) -> tuple[Any, bool]:
    """A model with the folder's weights in float32, for evaluation, and whether none of its weights are missing.

    Args:
        kind: A class with `from_pretrained`, such as `AutoModel`.
        folder: As `save_pretrained` writes it, or a model hub offers it.
        may_lack: Starts of names of weights that the caller does without where the folder lacks them.

    Raises:
        UnavailableMetricError: No such folder, unreadable, or without some of the model's weights.
    """
    if not (folder / "config.json").is_file():
        raise UnavailableMetricError(
            f"{folder} is no folder of a transformers model: it has no config.json",
            hint="download all files of the model into one folder, or write one with save_pretrained",
        )
    try:
        with no_report():
            model, report = kind.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    missing = sorted(report["missing_keys"])
    lost = [name for name in missing if not name.startswith(may_lack)]
    other_shape = sorted(name for name, *_ in report["mismatched_keys"])
    if lost or other_shape:
        what = f"{lost[0]} is missing" if lost else f"{other_shape[0]} has another shape"
        raise UnavailableMetricError(
            f"{folder} does not hold the weights of a {type(model).__name__}: {what}",
            hint="take a folder whose weights fit its config.json",
        )
    return model.float().eval().requires_grad_(False), not missing


@contextmanager
def no_report() -> Iterator[None]:
    """Transformers prints what did not fit, also where that is as it should be; here it becomes an error or nothing."""
    from transformers.utils import logging

    verbosity, progress_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if progress_bar:
            logging.enable_progress_bar()


def unreadable(folder: Path, error: Exception) -> UnavailableMetricError:
    """The error for a folder that transformers cannot make sense of."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return UnavailableMetricError(
        f"{folder} cannot be loaded with transformers: {reason}",
        hint="models that bring their own code are not loaded; others may need `pip install 'stepbench[metrics]'`",
    )


def folder_hash(folder: Path) -> str:
    """First 12 hex digits of the sha256 of a folder's configuration and weights, in the order of their names."""
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    return weights_hash(*sorted(folder.glob("*.json")), *weights)
