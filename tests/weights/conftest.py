"""A publisher on this machine, and an empty weights folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_server import Publisher, serving


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving(Publisher()) as one:
        yield one


@pytest.fixture
def folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where weights go; not there yet."""
    path = workplace / "weights"
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(path))
    return path
