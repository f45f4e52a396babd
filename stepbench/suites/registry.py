"""Where suites are found by name: those shipped, and those of other packages (entry point `stepbench.suites`)."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from stepbench.suites.format import CARD_FILE

ENTRY_POINT_GROUP = "stepbench.suites"


def suite_folders() -> dict[str, Path]:
    """Suite name -> folder, of every suite that can be loaded by its name."""
    return _find()[0]


def suite_problems() -> dict[str, str]:
    """Suite name, or name of an entry point -> why it cannot be used here. The other suites can."""
    return _find()[1]


def _find() -> tuple[dict[str, Path], dict[str, str]]:
    """An entry point names a package (or a module) whose folder holds suite folders."""
    folders = dict(_folders_below(Path(str(files("stepbench.suites") / "data"))))
    problems: dict[str, str] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            found = _folders_below(_folder_of(point.load()))
        except Exception as error:  # noqa: BLE001 - a broken package costs its own suites only; the reason is kept
            problems[point.name] = f"entry point {point.name!r} ({point.value}): {type(error).__name__}: {error}"
            continue
        for name, folder in found:
            first = folders.setdefault(name, folder)
            if first != folder:
                problems[name] = f"two suites are named {name!r}: {first} and {folder} (entry point {point.name!r})"
    return {name: folder for name, folder in folders.items() if name not in problems}, problems


def _folder_of(module: ModuleType) -> Path:
    places = list(getattr(module, "__path__", [])) or [str(Path(str(module.__file__)).parent)]
    return Path(places[0])


def _folders_below(parent: Path) -> list[tuple[str, Path]]:
    return [(path.parent.name, path.parent) for path in sorted(parent.glob(f"*/{CARD_FILE}"))]
