"""From what follows `--data` to prompts alone, for stages that make their own clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stepbench.canonical import sha256_json
from stepbench.errors import UsageError
from stepbench.suites.importers.source import numbered_lines, read_text
from stepbench.training.clip_folder import with_splits
from stepbench.training.manifest import read_manifest, refuse_clips
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.request import TrainingRequest
from stepbench.training.sources import WORLD, open_data

PAIRS = 2_000
"""Of a world that never ends, unless `--limit` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class PromptData:
    """Prompts of one call.

    Attributes:
        train: To learn from.
        test: Held-out ones.
        description: Equal texts mean equal prompts.
        world: Held-out scenes, where the prompts are about scenes.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    description: str
    world: MovingShapesClips | None = None


def open_prompts(request: TrainingRequest) -> PromptData:
    """Captions of moving shapes or of a folder, or the lines of a text file.

    Raises:
        UsageError: Unknown data, or a manifest that breaks the format.
    """
    path = Path(request.data)
    if request.data.partition(":")[0] == WORLD:
        return _of_world(request)
    if path.is_dir():
        return _of_folder(request, path)
    if path.is_file():
        lines = [line for _, line in numbered_lines(read_text(path))][: request.limit]
        return _described(lines, [], path.name)
    raise UsageError(
        f"no data {request.data!r}", hint=f"give {WORLD}, a folder with captions.jsonl, or a text file of prompts"
    )


def _of_world(request: TrainingRequest) -> PromptData:
    data = open_data(request, captions_needed=True)
    train, test = data.train, data.test
    assert isinstance(train, MovingShapesClips)
    assert isinstance(test, MovingShapesClips)
    captions = [train.captions(index) for index in range(request.limit or PAIRS)]
    # They take turns, so that both languages are there.
    prompts = [texts[number % len(texts)] for number, texts in enumerate(captions)]
    described = _described(prompts, [], data.description)
    return PromptData(train=described.train, test=(), description=described.description, world=test)


def _of_folder(request: TrainingRequest, folder: Path) -> PromptData:
    rows, problems = read_manifest(folder, captions_needed=True)
    refuse_clips(folder, problems)
    texts: dict[str, list[str]] = {"train": [], "test": []}
    for number, row in enumerate(with_splits(rows[: request.limit])):
        texts[row.split or "train"].append(row.captions[number % len(row.captions)])
    return _described(texts["train"], texts["test"], folder.resolve().name)


def _described(train: list[str], test: list[str], name: str) -> PromptData:
    if not train:
        raise UsageError(f"{name} holds no prompts", hint="one per line, or captions of clips")
    digest = sha256_json([train, test])[:16]
    return PromptData(train=tuple(train), test=tuple(test), description=f"{len(train)} prompts of {name}, {digest}")
