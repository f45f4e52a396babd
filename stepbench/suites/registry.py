"""Where suites are found by name: those shipped, and those of other packages (entry point `stepbench.suites`)."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from stepbench.errors import UsageError
from stepbench.suites.format import CARD_FILE

ENTRY_POINT_GROUP = "stepbench.suites"


def suite_folders() -> dict[str, Path]:
    """Suite name -> folder. An entry point names a package or module whose folder holds suite folders."""
    folders = dict(_folders_below(Path(str(files("stepbench.suites") / "data"))))
    for point in entry_points(group=ENTRY_POINT_GROUP):
        module = point.load()
        for name, folder in _folders_below(Path(module.__path__[0])):
            if name in folders:
                raise UsageError(
                    f"two suites are named {name!r}: {folders[name]} and {folder} (entry point {point.name!r})",
                    hint="rename one of them, or uninstall the package that brings the second",
                )
            folders[name] = folder
    return folders


def _folders_below(parent: Path) -> list[tuple[str, Path]]:
    return [(path.parent.name, path.parent) for path in sorted(parent.glob(f"*/{CARD_FILE}"))]
