"""Browser previews under neutral names: a file is called by the hash of its content, never by model or prompt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.errors import IncompleteError, StepbenchError
from stepbench.runs.journal import saving

CLIPS = "clips"


def publish_preview(run: Path, sample: Mapping[str, Any], board: Path) -> tuple[str | None, str | None]:
    """Make the preview of one sample available to browsers.

    The run's own preview is hard-linked (copied where links do not reach); where a run kept masters only, one is
    encoded. A file that somebody else made, or that carries texts, is copied without them: whoever judges clips is not
    to read in one which model made it.

    Args:
        run: Run folder.
        sample: Row of the run's samples with `outcome`, `preview` and `clip`.
        board: Board folder.

    Returns:
        The path relative to the board folder, such as `clips/9f/9f3c....mp4`, and None; or None and the reason why
            there is nothing to show. Samples that failed or were refused give (None, None): their row says why.

    Raises:
        IncompleteError: The board folder cannot be written.
    """
    if sample["outcome"] != "ok":
        return None, None
    try:
        if isinstance(sample["preview"], str):
            return _blind(_inside(run, sample["preview"]), board, own=sample["preview"] != sample["clip"]), None
        if isinstance(sample["clip"], str):
            return _encode(_inside(run, sample["clip"]), board), None
        return None, "the run names no clip"
    except IncompleteError:
        raise
    except StepbenchError as error:
        return None, error.message
    except OSError as error:
        return None, f"the clip cannot be read: {error.strerror}"


def _inside(run: Path, name: str) -> Path:
    """The file `name` of a run. Runs come from strangers: nothing outside their folder may end up on the web."""
    relative = PurePosixPath(name)
    path = (run / relative).resolve()
    if relative.is_absolute() or not path.is_relative_to(run.resolve()):
        raise StepbenchError(f"the clip {name!r} lies outside its run folder")
    if not path.is_file():
        raise StepbenchError(f"the clip {name!r} is missing")
    return path


def _blind(preview: Path, board: Path, *, own: bool) -> str:
    from stepbench.video import copy_without_tags, tags_of

    if own and not tags_of(preview):
        return _share(preview, board, keep=True)
    scratch = board / CLIPS / f".{os.getpid()}.mp4"
    try:
        with saving(scratch):
            copy_without_tags(preview, scratch)
        return _share(scratch, board, keep=False)
    finally:
        scratch.unlink(missing_ok=True)


def _encode(master: Path, board: Path) -> str:
    from stepbench.video import read_clip, write_preview

    scratch = board / CLIPS / f".{os.getpid()}.mp4"
    clip = read_clip(master)
    try:
        with saving(scratch):
            write_preview(scratch, clip.frames, clip.fps)
        return _share(scratch, board, keep=False)
    finally:
        scratch.unlink(missing_ok=True)


def _share(source: Path, board: Path, *, keep: bool) -> str:
    """Give `source` its name among the clips: linked or copied if it is to be kept, else moved."""
    digest = sha256_file(source)
    name = f"{CLIPS}/{digest[:2]}/{digest}.mp4"
    target = board / name
    if target.exists():
        return name
    with saving(target):
        target.parent.mkdir(exist_ok=True)
        if not keep:
            source.rename(target)
            return name
        try:
            os.link(source, target)
        except OSError:
            # Another disk, or one without links.
            scratch = target.with_suffix(f".{os.getpid()}.tmp")
            shutil.copyfile(source, scratch)
            scratch.rename(target)
    return name
