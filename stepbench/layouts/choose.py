"""Check every file that was placed, and take the best one for each clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stepbench.layouts.check import ClipCheck, check_clip
from stepbench.layouts.expected import Key
from stepbench.layouts.files import VIDEO_SUFFIXES
from stepbench.layouts.placement import Placement
from stepbench.layouts.report import ScanEntry


@dataclass(frozen=True, kw_only=True)
class CheckedClip:
    """A placed file and what it turned out to be."""

    placed: Placement
    check: ClipCheck

    @property
    def path(self) -> str:
        """As the placement has it."""
        return str(self.placed.file)

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """Sorts readable files first, then by exactness of the name, then by ending."""
        ending = Path(self.path).suffix.lower()
        return (
            self.check.status != "found",
            self.placed.looseness,
            (*VIDEO_SUFFIXES, ending).index(ending),
            self.path,
        )


def check_files(
    placements: Sequence[Placement],
    folder: Path,
    *,
    min_frames: int,
    decode: bool,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
) -> list[CheckedClip]:
    """Check each placed file, `workers` at a time; the order is that of `placements`."""

    def check(placed: Placement) -> ClipCheck:
        return check_clip(folder / str(placed.file), min_frames=min_frames, decode=decode, sha256=placed.sha256)

    checked = []
    pool = ThreadPoolExecutor(workers)
    try:
        for placed, result in zip(placements, pool.map(check, placements), strict=True):
            checked.append(CheckedClip(placed=placed, check=result))
            if on_progress:
                on_progress(len(checked), len(placements))
    finally:
        # An interrupt must not wait for thousands of files still in the queue.
        pool.shutdown(cancel_futures=True)
    return checked


def take_best(checked: Iterable[CheckedClip]) -> tuple[dict[Key, CheckedClip], list[ScanEntry]]:
    """The best file for each clip, and an entry for each of the others."""
    taken: dict[Key, CheckedClip] = {}
    duplicates = []
    for item in sorted(checked, key=lambda item: item.rank):
        best = taken.setdefault(item.placed.key, item)
        if best is not item:
            duplicates.append(_duplicate(item, best))
    return taken, duplicates


def _duplicate(item: CheckedClip, best: CheckedClip) -> ScanEntry:
    same = item.check.sha256 == best.check.sha256
    readable = item.check.status == "found"
    reason = f"{'same bytes as' if same else 'differs from'} {best.path}, which was taken"
    return ScanEntry(
        status="duplicate",
        prompt_id=item.placed.prompt_id,
        seed=item.placed.seed,
        path=item.path,
        reason=reason if readable else f"{reason}; {item.check.reason}",
        sha256=item.check.sha256,
        conflict=readable and not same,
    )
