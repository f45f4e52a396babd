"""From what follows `--data` to clips for training and held-out ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reference_model.training.data import ClipSource, TrainingClip
from reference_model.training.vae import Judge
from reference_model.vae.lengths import FRAMES_PER_CHUNK
from stepbench.errors import UsageError
from stepbench.training.clip_folder import FolderClips, open_clip_folder
from stepbench.training.clip_sizes import ClipSize
from stepbench.training.inspect_clips import InspectedClips
from stepbench.training.launch import main_first
from stepbench.training.moving_shapes import ENDLESS, MovingShapesClips
from stepbench.training.request import TrainingRequest
from stepbench.worlds.moving_shapes import WORLD_VERSION

WORLD = "moving-shapes"
WORLD_SIZE = ClipSize(FRAMES_PER_CHUNK, 64, 64)
TEST_SEED = 1
INDEX_FILE = "clips.json"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Clips of one call.

    Attributes:
        train: To learn from; clips of one size have neighbouring numbers.
        test: Held-out ones, all of one size.
        description: Equal texts mean equal clips.
        judge: Attributes of the content that a held-out clip still shows; None where nobody can tell.
    """

    train: ClipSource
    test: ClipSource
    description: str
    judge: Judge | None = None


def open_data(request: TrainingRequest, *, captions_needed: bool) -> TrainingData:
    """The clips that a request names; those of a folder are all checked first.

    Raises:
        UsageError: Unknown data, or clips that cannot be trained on, each with file and line.
        NothingSelectedError: No clips to train on, or none to hold out.
    """
    name, _, levels = request.data.partition(":")
    if name == WORLD:
        return _world(request, levels or "1")
    folder = Path(request.data)
    if not folder.is_dir():
        raise UsageError(
            f"no data {request.data!r}",
            hint=f"give {WORLD}, or a folder of clips with captions.jsonl (docs/training.md)",
        )
    with main_first():
        index = InspectedClips(request.out / INDEX_FILE)
        train, test = open_clip_folder(
            folder, rule=request.sizes, index=index, captions_needed=captions_needed, limit=request.limit
        )
        index.save()
    return TrainingData(train=train, test=test.of_one_size(), description=f"{train.description}; {test.description}")


class FirstChunks:
    """The first 17 frames of each clip; see `ClipSource`.

    Args:
        source: Clips.
        count: How many of them are looked at; they must be of one size.

    Raises:
        UsageError: The first clips are images, or not of one size.
    """

    def __init__(self, source: ClipSource, count: int) -> None:
        self.source = source
        available = source.sizes[0][1] if isinstance(source, FolderClips) else len(source)
        if count > available or (isinstance(source, FolderClips) and source.sizes[0][0].frames == 1):
            raise UsageError(
                f"start_clips must be clips of several frames and of one size, got {count} of {available}",
                hint=f"--set start_clips={available} takes fewer, --set start_clips=0 starts from random weights",
            )

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> TrainingClip:
        """One clip."""
        clip = self.source[index]
        return TrainingClip(frames=clip.frames[:FRAMES_PER_CHUNK], captions=clip.captions, fps=clip.fps)


def _world(request: TrainingRequest, levels: str) -> TrainingData:
    if not re.fullmatch(r"\d(,\d)*", levels, re.ASCII):
        raise UsageError(f"levels must be numbers by commas, got {levels!r}", hint=f"for example {WORLD}:1,2")
    size = _world_size(request)
    chosen = tuple(map(int, levels.split(",")))
    shape = {"levels": chosen, "frames": size.frames, "side": size.height}
    train = MovingShapesClips("train", size=request.limit or ENDLESS, **shape)
    test = MovingShapesClips("test", seed=TEST_SEED, size=1000, **shape)
    return TrainingData(
        train=train,
        test=test,
        description=f"{WORLD} version {WORLD_VERSION}, levels {levels}, {size}, {request.limit or 'endless'} clips",
        judge=test.judge,
    )


def _world_size(request: TrainingRequest) -> ClipSize:
    sizes = request.sizes.sizes or (WORLD_SIZE,)
    size = sizes[0]
    if len(sizes) > 1 or size.height != size.width or size.frames == 1:
        raise UsageError(
            f"{WORLD} takes one square size of several frames, got {', '.join(map(str, sizes))}",
            hint=f"--sizes {WORLD_SIZE} is what it is made for",
        )
    return size
