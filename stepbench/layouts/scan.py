"""Hold a folder of clips against a suite before anything is scored."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stepbench.errors import UsageError
from stepbench.layouts.by_manifest import ManifestLayout
from stepbench.layouts.choose import CheckedClip, check_files, take_best
from stepbench.layouts.expected import Key, expected_clips
from stepbench.layouts.files import list_files
from stepbench.layouts.manifest import read_manifest
from stepbench.layouts.named_by_prompt import StepVideoNames, VBenchNames
from stepbench.layouts.numbered import CompBenchNames, EvalCrafterNames
from stepbench.layouts.placement import Layout, Placement
from stepbench.layouts.report import ScanEntry, ScanReport
from stepbench.records import Prompt, Suite

LAYOUTS: dict[str, str] = {
    "vbench": "{prompt}-{index}.mp4, in one folder or one per dimension",
    "evalcrafter": "0000.mp4 and on, numbered as the suite",
    "compbench": "<category>/0001.mp4 and on",
    "step-video": "the first 50 characters of the prompt, then -{index} or a clock time",
    "manifest": "manifest.jsonl or manifest.csv with prompt_id or prompt, path, seed",
}
"""Layout -> help line."""

_NAMING = {
    "vbench": VBenchNames,
    "evalcrafter": EvalCrafterNames,
    "compbench": CompBenchNames,
    "step-video": StepVideoNames,
}


def scan_folder(
    folder: str | Path,
    layout: str,
    suite: Suite,
    *,
    samples: int | None = None,
    min_frames: int = 2,
    decode: bool = True,
    workers: int = 4,
    on_progress: Callable[[int, int], None] | None = None,
) -> ScanReport:
    """Find the clip of every (prompt, sample index) in a folder. Nothing in the folder is changed.

    Args:
        folder: Where the clips lie, at any depth; for the layout `manifest` also the manifest file itself.
        layout: One of `LAYOUTS`.
        suite: The prompts the clips were made for.
        samples: Clips per prompt. None infers the sample indices, category by category, from what is there.
        min_frames: Clips with fewer frames are `too_short`; measures of change over time need two.
        decode: Decode every clip to its end. Without it, a clip cut off in the middle passes.
        workers: Threads that check clips; each holds one decoded clip at a time.
        on_progress: Called with (checked, total) after each file.

    Raises:
        UsageError: No such folder or layout, a number below 1, or files numbered from a wrong start.
        SuiteError: A manifest that breaks its format; every bad row is named.
    """
    folder = Path(folder)
    _refuse_bad_numbers(samples=samples, min_frames=min_frames, workers=workers)
    names = _layout(layout, folder, suite, samples)
    if folder.is_file():
        folder = folder.parent
    files = list_files(folder)
    placements = names.place(files.videos)
    expected = expected_clips(placements, suite, samples=samples, listed=layout == "manifest")
    wanted = [placed for placed in placements if placed.file is not None and placed.key in expected]
    taken, duplicates = take_best(
        check_files(wanted, folder, min_frames=min_frames, decode=decode, workers=workers, on_progress=on_progress)
    )
    why = {placed.key: placed.note for placed in placements if placed.file is None}
    entries = [
        _entry(taken[key], prompt)
        if key in taken
        else _missing(prompt, key[1], why.get(key) or names.why_missing(prompt, key[1]))
        for key, prompt in expected.items()
    ]
    strays = [*files.others, *_strays(placements, expected, samples)]
    return ScanReport(
        folder=folder,
        layout=layout,
        suite=suite.name,
        suite_hash=suite.hash,
        decoded=decode,
        entries=(
            *_with_lost_twins(entries),
            *duplicates,
            *(ScanEntry(status="stray", path=name, reason=reason) for name, reason in sorted(strays)),
        ),
    )


def _refuse_bad_numbers(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} must be at least 1, got {number}", hint="leave it out for the usual value")


def _layout(layout: str, folder: Path, suite: Suite, samples: int | None) -> Layout:
    if layout not in LAYOUTS:
        close = difflib.get_close_matches(layout, LAYOUTS, n=2) or list(LAYOUTS)
        raise UsageError(f"no layout {layout!r}", hint=f"choose from {', '.join(close)}")
    if layout == "manifest":
        if samples is not None:
            raise UsageError(
                f"samples={samples} has no meaning with a manifest, which lists its seeds", hint="leave it out"
            )
        return ManifestLayout(suite, read_manifest(folder))
    if not folder.is_dir():
        raise UsageError(f"no folder at {folder}", hint="give the folder that holds the clips")
    return _NAMING[layout](suite)


def _entry(item: CheckedClip, prompt: Prompt) -> ScanEntry:
    return ScanEntry(
        status=item.check.status,
        prompt_id=prompt.id,
        seed=item.placed.seed,
        text=prompt.text,
        path=item.path,
        reason=item.check.reason or item.placed.note,
        sha256=item.check.sha256,
        frames=item.check.frames,
        fps=item.check.fps,
        height=item.check.height,
        width=item.check.width,
    )


def _missing(prompt: Prompt, seed: int, reason: str) -> ScanEntry:
    return ScanEntry(status="missing", prompt_id=prompt.id, seed=seed, text=prompt.text, reason=reason)


def _strays(
    placements: Sequence[Placement], expected: Mapping[Key, Prompt], samples: int | None
) -> Iterator[tuple[str, str]]:
    for placed in placements:
        if placed.file is not None and placed.prompt_id is None:
            yield str(placed.file), placed.note
        elif placed.file is not None and placed.key not in expected:
            yield str(placed.file), f"sample {placed.seed} of {placed.prompt_id} is beyond the {samples} asked for"


def _with_lost_twins(entries: Sequence[ScanEntry]) -> Iterator[ScanEntry]:
    """Tell where a missing clip probably went: a disk that ignores case keeps one of two names that differ in case."""
    present = {(_folded(entry.text), entry.seed): entry for entry in entries if entry.path is not None}
    for entry in entries:
        twin = present.get((_folded(entry.text), entry.seed)) if entry.path is None else None
        if twin is None or twin.text == entry.text:
            yield entry
        else:
            lost = f"; {twin.prompt_id} differs only in case or accents and may have overwritten it"
            yield replace(entry, reason=entry.reason + lost)


def _folded(text: str | None) -> str:
    return unicodedata.normalize("NFC", text or "").casefold()
