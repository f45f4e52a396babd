"""One progress display for all long work: a bar with time left on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], *, total: int, description: str) -> Iterator[Item]:
    """Yield the items and show how many of `total` are done on stderr, if that is a terminal."""
    if not sys.stderr.isatty() or total == 0:
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        for item in items:
            progress.advance(task)
            yield item


def track_bytes(chunks: Iterable[bytes], *, done: int, total: int, description: str) -> Iterator[bytes]:
    """Yield the chunks of a download and show bytes and speed on stderr, if that is a terminal.

    Args:
        done: Bytes that were there before.
        total: Of the whole file, 0 where it is not known.
    """
    if not sys.stderr.isatty():
        yield from chunks
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total or None, completed=done)
        for chunk in chunks:
            progress.advance(task, len(chunk))
            yield chunk
