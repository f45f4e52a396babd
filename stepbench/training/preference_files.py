"""Preference files for `stepbench train dpo`: read, checked clip by clip, and divided by prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from reference_model.training.data import TrainingClip
from reference_model.training.preferences import LazyClip, PreferencePair, read_preferences
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.training.clip_folder import TEST_SHARE
from stepbench.training.clip_sizes import SizeRefusedError, SizeRule
from stepbench.training.inspect_clips import InspectedClips
from stepbench.training.manifest import ManifestRow, refuse_clips
from stepbench.video import read_clip


def read_pairs(file: Path, index: InspectedClips, limit: int | None, *, one_size: bool) -> list[PreferencePair]:
    """All pairs of a JSONL file, each clip decoded once.

    Args:
        file: See `read_preferences`.
        index: Remembers what was decoded; the caller saves it.
        limit: Take the first so many pairs only.
        one_size: Whether clips of different pairs must be alike, too.

    Raises:
        PreferenceDataError: A line that breaks the format.
        UsageError: Clips that cannot be trained on, each with file and line.
    """
    pairs = read_preferences(file, decode)[:limit]
    lines = [number for number, line in enumerate(file.read_text("utf-8").splitlines(), 1) if line.strip()]
    wheres = [f"{file}:{line}" for line in lines]
    rows = [
        ManifestRow(where=where, file=PurePosixPath(path), captions=(pair.prompt,))
        for where, pair in zip(wheres, pairs, strict=False)
        for path in _paths(pair)
    ]
    facts, problems = index.inspect(Path(), list({row.file: row for row in rows}.values()))
    sizes = {}
    for where, pair in zip(wheres, pairs, strict=False):
        found = [facts[path].size for path in _paths(pair) if path in facts]
        if len(found) < 2:
            continue
        if found[0] != found[1]:
            problems.append(f"{where}: chosen is {found[0]}, rejected is {found[1]}; both need one size")
            continue
        try:
            sizes.setdefault(SizeRule().target(found[0]), where)
        except SizeRefusedError as error:
            problems.append(f"{where}: {error}".partition(": --fit")[0])
    if one_size and len(sizes) > 1:
        listed = ", ".join(f"{size} ({where})" for size, where in sizes.items())
        problems.append(f"{file}: clips of several sizes: {listed}; --set micro_batch_size=1 takes any mixture")
    refuse_clips(file, problems)
    return pairs


def divided(pairs: Sequence[PreferencePair]) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """(to learn from, held out): about a tenth of the prompts, by a hash of their texts, with all of their pairs.

    Raises:
        NothingSelectedError: One prompt alone cannot be divided.
    """
    prompts = sorted({pair.prompt for pair in pairs}, key=_text_hash)
    if len(prompts) < 2:
        raise NothingSelectedError("all pairs are of one prompt, so none can be held out", hint="give --test FILE")
    share = [prompt for prompt in prompts if int(_text_hash(prompt), 16) < TEST_SHARE * 16**64]
    held_out = set(share if 0 < len(share) < len(prompts) else prompts[:1])
    return [pair for pair in pairs if pair.prompt not in held_out], [pair for pair in pairs if pair.prompt in held_out]


def refuse_leak(train: Sequence[PreferencePair], test: Sequence[PreferencePair]) -> None:
    """Stops if a held-out prompt is also learned from.

    Raises:
        UsageError: With the first such prompt.
    """
    shared = sorted({pair.prompt for pair in train} & {pair.prompt for pair in test})
    if shared:
        raise UsageError(
            f"{len(shared)} prompts are in both files, such as {shared[0]!r}", hint="keep each prompt on one side"
        )


def decode(path: Path) -> TrainingClip:
    """A video file as a training clip."""
    clip = read_clip(path)
    return TrainingClip(frames=torch.from_numpy(clip.frames), fps=clip.fps)


def _paths(pair: PreferencePair) -> list[str]:
    return [str(clip.path) for clip in (pair.winner, pair.loser) if isinstance(clip, LazyClip)]


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
