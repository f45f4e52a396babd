"""A folder of clips with captions as a source of training clips."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from reference_model.training.data import TrainingClip
from stepbench.canonical import sha256_json
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.training.clip_sizes import ClipSize, SizeRefusedError, SizeRule, scale_to_cover
from stepbench.training.inspect_clips import ClipFacts, InspectedClips
from stepbench.training.manifest import ManifestRow, Split, read_manifest, refuse_clips
from stepbench.video import read_chunks

TEST_SHARE = 0.1
"""Share of the clips that is held out where no row says `"split": "test"`."""
Frames = UInt8[Tensor, "time 3 height width"]


@dataclass(frozen=True, kw_only=True)
class FolderClip:
    """One clip of a folder: where it is, and what it becomes.

    Attributes:
        path: Video or image file.
        captions: What is said about it.
        fps: Frames per second.
        bytes: Of the file.
        size: Of the file's frames.
        target: Size that they are given.
    """

    path: Path
    captions: tuple[str, ...]
    fps: float
    bytes: int
    size: ClipSize
    target: ClipSize


class FolderClips:
    """Clips of one split; see `ClipSource`. Clips of one size stand together, the size with most clips first.

    Args:
        clips: In any order.
        resize: Scale a clip down to its target before it is cropped.
        description: Names folder, split and sizes; equal texts mean equal clips.
    """

    def __init__(self, clips: Sequence[FolderClip], *, resize: bool, description: str) -> None:
        counts = Counter(clip.target for clip in clips)
        # Images come last: the first clips of a source are the ones that a linear start is fitted to.
        ranks = sorted(counts, key=lambda size: (size.frames == 1, -counts[size], size))
        self.clips = sorted(clips, key=lambda clip: ranks.index(clip.target))
        self.sizes = tuple((size, counts[size]) for size in ranks)
        self.description = description
        self._resize = resize

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> TrainingClip:
        """Decoded, and cut to its size."""
        clip = self.clips[index]
        frames = _first_frames(clip.path, clip.target.frames)
        if self._resize:
            frames = _scaled(frames, scale_to_cover(clip.size, clip.target))
        return TrainingClip(frames=_middle(frames, clip.target), captions=clip.captions, fps=clip.fps)

    def captions(self, index: int) -> tuple[str, ...]:
        """Captions of a clip, without decoding it."""
        return self.clips[index].captions

    @property
    def buckets(self) -> tuple[range, ...]:
        """Numbers of the clips of each size."""
        ends = np.cumsum([count for _, count in self.sizes]).tolist()
        return tuple(range(end - count, end) for end, (_, count) in zip(ends, self.sizes, strict=True))

    def of_one_size(self) -> FolderClips:
        """The clips of the first size alone."""
        size, count = self.sizes[0]
        clips = self.clips[:count]
        return FolderClips(clips, resize=self._resize, description=f"{self.description}, only {size}")


def open_clip_folder(
    folder: Path,
    *,
    rule: SizeRule,
    index: InspectedClips,
    captions_needed: bool,
    limit: int | None = None,
) -> tuple[FolderClips, FolderClips]:
    """Training and held-out clips of a folder, all of them checked: read to their end, of a valid size.

    Rows with `"split": "test"` are held out. Where there are none, a tenth of the rows without a split is, chosen by a
    hash of their names, so that a clip stays on its side when others are added.

    Args:
        folder: Clips and `captions.jsonl`.
        rule: Sizes.
        index: Remembers what was decoded; the caller saves it.
        captions_needed: Whether a row without a caption is a problem.
        limit: Take the first so many rows only.

    Raises:
        UsageError: Listing the problems (up to 20), each with file and line.
        NothingSelectedError: One of the two splits is empty.
    """
    rows, problems = read_manifest(folder, captions_needed=captions_needed)
    rows = rows[:limit]
    facts, unreadable = index.inspect(folder, rows)
    problems += unreadable
    clips: dict[Split, list[FolderClip]] = {"train": [], "test": []}
    for row in with_splits(rows):
        found = facts.get(str(row.file))
        if found is None:
            continue
        try:
            target = rule.target(found.size)
        except SizeRefusedError as error:
            problems.append(f"{row.where}: {row.file}: {error}")
            continue
        clips[row.split or "train"].append(_clip(folder, row, found, target))
    refuse_clips(folder, problems)
    for split, members in clips.items():
        if not members:
            raise NothingSelectedError(
                f"{folder} has {len(rows)} clips, none of them to {split} on",
                hint='rows say "split": "train" or "test"; without any, a tenth is held out, of two at least one',
            )
    train, test = (_source(folder, split, members, rule) for split, members in clips.items())
    return train, test


def _clip(folder: Path, row: ManifestRow, found: ClipFacts, target: ClipSize) -> FolderClip:
    return FolderClip(
        path=folder / row.file,
        captions=row.captions,
        fps=row.fps or found.fps,
        bytes=found.bytes,
        size=found.size,
        target=target,
    )


def _source(folder: Path, split: str, clips: Sequence[FolderClip], rule: SizeRule) -> FolderClips:
    """The description holds what decides the pixels and captions, and not where the folder lies."""
    content = [
        [
            clip.path.relative_to(folder).as_posix(),
            clip.bytes,
            str(clip.size),
            str(clip.target),
            clip.captions,
            clip.fps,
        ]
        for clip in clips
    ]
    digest = sha256_json(content)[:16]
    description = f"{len(clips)} clips ({split}), fit {rule.fit}, {digest}"
    return FolderClips(clips, resize=rule.fit == "resize", description=description)


def with_splits(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    """The rows, with `test` on those that are held out; see `open_clip_folder`."""
    if any(row.split == "test" for row in rows):
        return list(rows)
    open_rows = sorted((row for row in rows if row.split is None), key=lambda row: _name_hash(str(row.file)))
    share = [row for row in open_rows if int(_name_hash(str(row.file)), 16) < TEST_SHARE * 16**64]
    # A small folder may have none below the line; then its lowest one is held out.
    held_out = {row.file for row in share or open_rows[: len(open_rows) > 1]}
    return [replace(row, split="test") if row.file in held_out else row for row in rows]


def _name_hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8")).hexdigest()


def _first_frames(path: Path, count: int) -> Frames:
    pieces: list[np.ndarray] = []
    chunks = read_chunks(path)
    while sum(map(len, pieces)) < count:
        piece = next(chunks, None)
        if piece is None:
            raise UsageError(
                f"{path.name} has become shorter than {count} frames",
                hint="run the command again; it checks the folder",
            )
        pieces.append(piece)
    return torch.from_numpy(np.concatenate(pieces)[:count])


def _scaled(frames: Frames, sides: tuple[int, int]) -> Frames:
    if tuple(frames.shape[2:]) == sides:
        return frames
    scaled = F.interpolate(frames.float(), size=sides, mode="bicubic", antialias=True, align_corners=False)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def _middle(frames: Frames, target: ClipSize) -> Frames:
    top, left = (frames.shape[2] - target.height) // 2, (frames.shape[3] - target.width) // 2
    return frames[:, :, top : top + target.height, left : left + target.width].contiguous()
