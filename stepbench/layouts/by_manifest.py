"""The layout that a manifest spells out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from stepbench.layouts.manifest import Manifest, ManifestRow
from stepbench.layouts.names import NameMatcher, composed
from stepbench.layouts.placement import Placement
from stepbench.records import Prompt, Suite


class ManifestLayout:
    """Clips where the rows of a manifest say they are, inside its folder or not."""

    def __init__(self, suite: Suite, manifest: Manifest) -> None:
        self._suite = suite
        self._manifest = manifest
        self._texts = {prompt.id: prompt.text for prompt in suite.prompts}
        self._matcher = NameMatcher(self._texts.items())

    def place(self, files: Sequence[PurePosixPath]) -> list[Placement]:
        """One placement per row, and one per file that no row names."""
        placements = [self._place(row) for row in self._manifest.rows]
        named = {_inside(placed.file, self._manifest.path.parent) for placed in placements if placed.file is not None}
        placements += [Placement(file=file, note="not in the manifest") for file in files if str(file) not in named]
        return placements

    def why_missing(self, prompt: Prompt, seed: int) -> str:
        """Only asked where no row speaks of the clip."""
        return f"no row for it in {self._manifest.path.name}"

    def _place(self, row: ManifestRow) -> Placement:
        prompt_id, note = self._prompt(row)
        clip = self._manifest.clip(row)
        if row.path is None or clip is None:
            return Placement(
                file=None, prompt_id=prompt_id, seed=row.seed, note=row.reason or "the manifest has no path"
            )
        if not clip.is_file():
            return Placement(
                file=None, prompt_id=prompt_id, seed=row.seed, note=f"{row.path} is not there ({row.where})"
            )
        file = PurePosixPath(Path(row.path).as_posix())
        return Placement(file=file, prompt_id=prompt_id, seed=row.seed, note=note, sha256=row.sha256)

    def _prompt(self, row: ManifestRow) -> tuple[str | None, str]:
        if row.text is not None and row.prompt_id not in self._texts:
            match = self._matcher.match_exactly(row.text)
            return match.prompt_id, match.note if match.prompt_id else f"{match.note} ({row.where})"
        if row.prompt_id not in self._texts:
            return None, f"suite {self._suite.name} has no prompt {row.prompt_id} ({row.where})"
        if row.text is not None and composed(row.text) != composed(self._texts[row.prompt_id]):
            return None, f"the manifest and suite {self._suite.name} give {row.prompt_id} different texts ({row.where})"
        return row.prompt_id, ""


def _inside(file: PurePosixPath, folder: Path) -> str:
    return Path(os.path.relpath(folder / file, folder)).as_posix()
