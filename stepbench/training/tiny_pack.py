"""The finished small models as the package ships them: what variants have in common, only once."""

from __future__ import annotations

import shutil
from pathlib import Path

from reference_model.checkpoint.layout import BASE_FILE, write_json
from stepbench.errors import NothingSelectedError
from stepbench.training.export import ORIGIN_FILE
from stepbench.training.tiny_stages import BASE, PREFERRED, TURBO, Workplace

VARIANTS = (BASE, TURBO, PREFERRED)
LEFT_OUT = (ORIGIN_FILE, "adapters")
"""What a finished model needs no more."""


def pack(place: Workplace, target: Path) -> int:
    """Copies the finished variants to where the package looks for them; what a variant shares with `tiny`, only once.

    Args:
        place: With all models finished.
        target: `reference_model/weights`, or elsewhere; variants that are there are replaced.

    Returns:
        Bytes of all variants together.

    Raises:
        NothingSelectedError: A variant is not there yet.
    """
    missing = [name for name in VARIANTS if not place.model(name).is_dir()]
    if missing:
        raise NothingSelectedError(
            f"no model to pack at {place.model(missing[0])}", hint="train all stages first: leave --until out"
        )
    for name in VARIANTS:
        partial, folder = target / f".{name}.partial", target / name
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(place.model(name), partial, ignore=shutil.ignore_patterns(*LEFT_OUT))
        if name != BASE:
            for part in sorted(partial.iterdir()):
                if _content(part) == _content(place.model(BASE) / part.name):
                    shutil.rmtree(part) if part.is_dir() else part.unlink()
            write_json(partial / BASE_FILE, {"folder": f"../{BASE}"})
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return sum(len(data) for name in VARIANTS for data in _content(target / name).values())


def _content(path: Path) -> dict[str, bytes]:
    """Name -> bytes of a file, or of all files in a folder; empty if there is nothing."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
