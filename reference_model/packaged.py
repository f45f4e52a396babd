"""The trained models that come with this package."""

from __future__ import annotations

from pathlib import Path

from reference_model.errors import CheckpointError

PACKAGED = ("tiny", "tiny-turbo", "tiny-dpo")


def packaged_folder(name: str) -> Path:
    """The model folder of a packaged model.

    Raises:
        CheckpointError: If there is no such model, or this version of the package came without its weights.
    """
    folder = Path(__file__).parent / "weights" / name
    if name not in PACKAGED:
        raise CheckpointError(f"no packaged model {name!r}", hint=f"there are {', '.join(PACKAGED)}")
    if not folder.is_dir():
        raise CheckpointError(
            f"the trained weights of {name} are not part of this version", hint="give a model folder in its place"
        )
    return folder
